package sallyport_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/card/mutual"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/cardservice"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// oneCard is a reader with a card in it; it notes whether a PIN reached it.
type oneCard struct{ pins int }

func (c *oneCard) Find(context.Context, identity.CardsWanted) (identity.CardSeen, error) {
	return identity.CardSeen{Reader: "reader"}, nil
}

func (c *oneCard) Sign(context.Context, identity.CardSeen, identity.Secret, identity.CardChallenge, func()) (identity.CardProof, error) {
	c.pins++
	return identity.CardProof{}, nil
}

func (*oneCard) Readers(context.Context) ([]identity.CardReader, error) { return nil, nil }
func (*oneCard) List(context.Context) ([]identity.CardReader, error)    { return nil, nil }

func (c *oneCard) Prepare(context.Context, identity.CardOrder, identity.Secret, func()) (identity.CardMade, error) {
	c.pins++
	return identity.CardMade{}, nil
}

func (c *oneCard) Enrol(context.Context, identity.CardMade, identity.Secret, identity.CardChallenge, func()) (identity.CardProof, error) {
	c.pins++
	return identity.CardProof{}, nil
}

func (c *oneCard) Agree(context.Context, identity.CardSeen, identity.Secret, []byte, []byte, func()) (identity.Secret, error) {
	c.pins++
	return identity.Secret{}, nil
}

func (c *oneCard) PrepareAgreement(context.Context, identity.CardSeen, identity.CardOrder, identity.Secret, func()) (identity.CardAgreement, error) {
	c.pins++
	return identity.CardAgreement{}, nil
}

// cardKeys are the files of one realm's card services.
type cardKeys struct {
	t   testing.TB
	dir string
}

func makeCardKeys(t testing.TB, realm string) cardKeys {
	t.Helper()
	k := cardKeys{t, filepath.Join(t.TempDir(), "cards")}
	if _, err := cardservice.MakeKeys(k.dir, realm); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k cardKeys) path(name string) string { return filepath.Join(k.dir, name) }

func (k cardKeys) read(name string) []byte {
	k.t.Helper()
	b, err := os.ReadFile(k.path(name))
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k cardKeys) write(name string, b []byte) {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), b, 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k cardKeys) server() cardservice.Options {
	return cardservice.Options{
		MiddlewareKeys: k.path("middleware-keys.pem"), ServiceKey: k.path("service.key"), ServiceCertificate: k.path("service.cert"),
	}
}

// middleware is a machine's card service with these files.
func (k cardKeys) middleware(index uint32, now func() time.Time) *mutual.Middleware {
	k.t.Helper()
	block, _ := pem.Decode(k.read("card-service.key"))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		k.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(k.read("card-service-roots.pem"))
	return mutual.NewMiddleware(mutual.Options{Key: key.(crypto.Signer), Index: index, Roots: roots, Realm: "example.org", Now: now})
}

// cardRealm is a realm that serves with these files; nil is without.
func cardRealm(t testing.TB, k *cardKeys) *sallyport.Provider {
	t.Helper()
	r := &liveRealm{t: t, dir: filepath.Join(t.TempDir(), "realm")}
	if err := realm.Init(t.Context(), realm.InitOptions{Dir: r.dir, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14}); err != nil {
		t.Fatal(err)
	}
	if k != nil {
		r.cards = k.server()
	}
	r.start("")
	return r.machine()
}

func unreachable(err error) bool { return errors.Is(err, provider.ErrOffline) }

func guard(m *mutual.Middleware, s mutual.Server) (*mutual.Guard, *oneCard) {
	c := &oneCard{}
	return &mutual.Guard{Cards: c, Service: m, Server: s, Unreachable: unreachable}, c
}

func sign(t testing.TB, g *mutual.Guard, seen identity.CardSeen) error {
	t.Helper()
	_, err := g.Sign(t.Context(), seen, secret("123456"), identity.CardChallenge{}, func() {})
	return err
}

// Promise mutual-pin.
func TestAPINReachesTheCardOnlyAfterBothSidesHaveProvedThemselves(t *testing.T) {
	k := makeCardKeys(t, "example.org")
	g, c := guard(k.middleware(0, nil), cardRealm(t, &k))
	if err := sign(t, g, identity.CardSeen{}); !unproved(err) || c.pins != 0 {
		t.Fatalf("without a proof: %v, %d PINs", err, c.pins)
	}
	if err := sign(t, g, identity.CardSeen{Proved: "offline"}); !unproved(err) || c.pins != 0 {
		t.Fatalf("with a word in place of a proof: %v, %d PINs", err, c.pins)
	}
	seen, err := g.Find(t.Context(), identity.CardsWanted{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sign(t, g, seen); err != nil || c.pins != 1 {
		t.Fatalf("after the proof: %v, %d PINs", err, c.pins)
	}
}

func TestACardIsMadeReadyAndEnrolledOnlyAfterTheProofToo(t *testing.T) {
	k := makeCardKeys(t, "example.org")
	g, c := guard(k.middleware(0, nil), cardRealm(t, &k))
	pin := secret("123456")
	if _, err := g.Prepare(t.Context(), identity.CardOrder{}, pin, nil); !unproved(err) || c.pins != 0 {
		t.Error("made ready:", err)
	}
	if _, err := g.Enrol(t.Context(), identity.CardMade{}, pin, identity.CardChallenge{}, nil); !unproved(err) || c.pins != 0 {
		t.Error("enrolled:", err)
	}
	agreed := func(seen identity.CardSeen) []error {
		_, ready := g.PrepareAgreement(t.Context(), seen, identity.CardOrder{}, pin, nil)
		_, agree := g.Agree(t.Context(), seen, pin, nil, nil, nil)
		return []error{ready, agree}
	}
	for i, err := range agreed(identity.CardSeen{Proved: "offline"}) {
		if !unproved(err) || c.pins != 0 {
			t.Errorf("agreed, %d: %v", i, err)
		}
	}
	proved, err := g.Prove(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := g.Prepare(t.Context(), identity.CardOrder{Proved: proved}, pin, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Enrol(t.Context(), made, pin, identity.CardChallenge{}, nil); err != nil || c.pins != 2 {
		t.Error("after the proof:", err, c.pins)
	}
	if err := errors.Join(agreed(identity.CardSeen{Proved: proved})...); err != nil || c.pins != 4 {
		t.Error("agreed after the proof:", err, c.pins)
	}
}

func unproved(err error) bool {
	var e *identity.CardError
	return errors.As(err, &e) && e.Fault == identity.CardServiceUnproved
}

// Each is one thing that is not as it should be, and what it is refused for.
// Promise mutual-pin.
func TestWhoCannotProveWhatTheyAreGetsNoPIN(t *testing.T) {
	other := makeCardKeys(t, "example.org")
	elsewhere := makeCardKeys(t, "example.net")
	for name, c := range map[string]struct {
		change func(k cardKeys)
		index  uint32
		want   error
	}{
		"no such key": {index: 1, want: identity.ErrCardServiceKey},
		"the index of another": {change: func(k cardKeys) {
			k.write("middleware-keys.pem", append(other.read("middleware-keys.pem"), k.read("middleware-keys.pem")...))
		}, want: identity.ErrCardServiceProof},
		"the second of two": {change: func(k cardKeys) {
			k.write("middleware-keys.pem", append(other.read("middleware-keys.pem"), k.read("middleware-keys.pem")...))
		}, index: 1},
		"a card service nobody knows":  {change: func(k cardKeys) { k.write("middleware-keys.pem", other.read("middleware-keys.pem")) }, want: identity.ErrCardServiceProof},
		"another's certificate":        {change: func(k cardKeys) { k.write("service.cert", other.read("service.cert")) }, want: identity.ErrCardServiceProof},
		"another realm's certificate":  {change: func(k cardKeys) { swap(k, elsewhere, "service.cert", "service.key", "card-service-roots.pem") }, want: identity.ErrCardServiceProof},
		"a certificate without a key":  {change: func(k cardKeys) { swap(k, other, "service.cert", "card-service-roots.pem") }, want: identity.ErrCardServiceProof},
		"a key without a certificate":  {change: func(k cardKeys) { swap(k, other, "service.key") }, want: identity.ErrCardServiceProof},
		"no certificate":               {change: func(k cardKeys) { k.write("service.cert", []byte("hello")) }, want: identity.ErrCardServiceProof},
		"the authority as certificate": {change: authorityAsCertificate, want: identity.ErrCardServiceProof},
	} {
		t.Run(name, func(t *testing.T) {
			k := makeCardKeys(t, "example.org")
			if c.change != nil {
				c.change(k)
			}
			g, card := guard(k.middleware(c.index, nil), cardRealm(t, &k))
			seen, err := g.Find(t.Context(), identity.CardsWanted{})
			if c.want == nil {
				if err != nil || sign(t, g, seen) != nil {
					t.Fatal(err)
				}
				return
			}
			if !unproved(err) || !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if sign(t, g, seen) == nil || card.pins != 0 {
				t.Fatal("a PIN reached the card")
			}
		})
	}
}

func swap(k, other cardKeys, names ...string) {
	for _, n := range names {
		k.write(n, other.read(n))
	}
}

// authorityAsCertificate has a server show its authority's own certificate.
func authorityAsCertificate(k cardKeys) {
	block, _ := pem.Decode(k.read("card-service-roots.pem"))
	k.write("service.cert", []byte(base64.StdEncoding.EncodeToString(block.Bytes)))
}

// Promise mutual-pin.
func TestWithoutTheServerTheModeDecides(t *testing.T) {
	k := makeCardKeys(t, "example.org")
	m := k.middleware(0, nil)
	p := cardRealm(t, &k)
	off := cardRealm(t, nil)
	lost := lostServer{p}
	for name, c := range map[string]struct {
		server mutual.Server
		mode   mutual.Mode
		ok     bool
	}{
		"reached":                 {p, mutual.Always, true},
		"reached, online":         {p, mutual.Online, true},
		"gone":                    {lost, mutual.Always, false},
		"gone, online":            {lost, mutual.Online, true},
		"not set up there":        {off, mutual.Always, false},
		"not set up there online": {off, mutual.Online, false},
	} {
		g, _ := guard(m, c.server)
		g.Mode = c.mode
		seen, err := g.Find(t.Context(), identity.CardsWanted{})
		if (err == nil) != c.ok || (sign(t, g, seen) == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// lostServer is one that goes away between the two calls.
type lostServer struct{ mutual.Server }

func (lostServer) CardChallenge(context.Context, identity.CardServiceClaim) ([]byte, error) {
	return nil, provider.ErrOffline
}

// Promise mutual-once.
func TestNothingOfAnExchangeIsGoodForAnother(t *testing.T) {
	k := makeCardKeys(t, "example.org")
	clock := time.Now()
	m := k.middleware(0, func() time.Time { return clock })
	p := cardRealm(t, &k)
	begin := func() (identity.CardServiceClaim, string) {
		t.Helper()
		offer, err := p.CardCertificate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claim, handle, err := m.Begin(offer.Certificate, offer.Challenge)
		if err != nil {
			t.Fatal(err)
		}
		return claim, handle
	}
	claim, handle := begin()
	sig, err := p.CardChallenge(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, identity.ErrCardServiceProof) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = p.CardChallenge(t.Context(), claim)
	refused("the same claim again", err)
	next, nextHandle := begin()
	_, err = m.Finish(nextHandle, sig)
	refused("an answer to another exchange", err)
	_, err = m.Finish(nextHandle, sig)
	refused("an exchange that failed", err)
	env, err := m.Finish(handle, sig)
	if err != nil || !m.Open(env) {
		t.Fatal(err)
	}
	_, err = m.Finish(handle, sig)
	refused("an exchange that is over", err)

	swapped := next
	swapped.ServerChallenge = bytes.Repeat([]byte{7}, 32)
	_, err = p.CardChallenge(t.Context(), swapped)
	refused("a challenge for the server that the card service did not make", err)
	if _, err := p.CardChallenge(t.Context(), next); err != nil {
		t.Error("a claim that was only tampered with by others:", err)
	}

	own := k.middleware(0, nil)
	foreign, _, err := own.Begin(k.read("service.cert"), bytes.Repeat([]byte{1}, 48))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.CardChallenge(t.Context(), foreign)
	refused("a challenge that the server did not give", err)
	offer, err := cardRealm(t, &k).CardCertificate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err = own.Begin(offer.Certificate, offer.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.CardChallenge(t.Context(), foreign)
	refused("another server's challenge", err)

	late, lateHandle := begin()
	sig, err = p.CardChallenge(t.Context(), late)
	if err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Minute)
	_, err = m.Finish(lateHandle, sig)
	refused("an exchange of a minute ago", err)
	clock = clock.Add(4 * time.Minute)
	if m.Open(env) {
		t.Error("an environment is open for more than 5 minutes")
	}
	clock = clock.Add(10 * 365 * 24 * time.Hour)
	_, _, err = m.Begin(offer.Certificate, offer.Challenge)
	refused("a certificate that has expired", err)
}

// A server that plays back what the card service itself has signed proves nothing.
// Promise mutual-once.
func TestACardServiceTakesNoSignatureOfItsOwnForTheServers(t *testing.T) {
	k := makeCardKeys(t, "example.org")
	m := k.middleware(0, nil)
	claim, handle, err := m.Begin(k.read("service.cert"), bytes.Repeat([]byte{1}, 48))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Finish(handle, claim.Signature); !errors.Is(err, identity.ErrCardServiceProof) {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if claim, handle, err = m.Begin(k.read("service.cert"), bytes.Repeat([]byte{1}, 48)); err != nil {
		t.Fatal(err)
	}
	sig, err := claim.Sign(identity.ServerSide, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Finish(handle, sig); !errors.Is(err, identity.ErrCardServiceProof) {
		t.Fatal(err)
	}
}
