package sallyport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// house is a realm in a test's hands, all of its keys included: a machine that joined
// it, and whoever answers at its address.
type house struct {
	t       testing.TB
	root    *rootKey
	signing ed25519.PrivateKey
	cert    tls.Certificate
	list    []byte // version 1, of signing and cert
	memory  *providertest.Memory
	machine sallyport.Options

	now   atomic.Pointer[answers]
	shown atomic.Pointer[tls.Certificate]
	asked atomic.Int64                    // for the list
	hands atomic.Int64                    // handshakes
	later atomic.Pointer[tls.Certificate] // shown from the second handshake on
	codes atomic.Int64                    // join codes that were said
}

// answers is what the one at the realm's address says.
type answers struct {
	time *timestamppb.Timestamp // the server's clock; nil: it is not told
	sallyportv1connect.UnimplementedDirectoryServiceHandler
	realm string
	list  []byte
	keys  []ed25519.PublicKey
	token []byte
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, root: newRootKey(t), signing: newKey(t), cert: selfSigned(t), memory: &providertest.Memory{}}
	h.list = h.root.bundle(1, h.cert.Leaf, public(h.signing))
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(h))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(h))
	mux.Handle(sallyportv1connect.NewMachineServiceHandler(h))
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if later := h.later.Load(); h.hands.Add(1) > 1 && later != nil {
				h.shown.Store(later)
			}
			return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*h.shown.Load()}, NextProtos: []string{"h2", "http/1.1"}}, nil
		},
	}
	h.answer(h.cert, &answers{list: h.list, token: h.token(h.signing, 1)})
	s.StartTLS()
	t.Cleanup(s.Close)
	h.machine = sallyport.Options{
		URL: s.URL, Realm: "r", RootPEM: h.root.anchor(h.list), MachineKey: newKey(t), MachineID: uuid.New(), Memory: h.memory,
	}
	return h
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	ok(t, nil, err)
	return key
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// selfSigned is a certificate for the loopback that nobody vouches for.
func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, nil, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ok(t, nil, err)
	leaf, err := x509.ParseCertificate(der)
	ok(t, nil, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (h *house) answer(cert tls.Certificate, a *answers) {
	if a.realm == "" {
		a.realm = "r"
	}
	h.shown.Store(&cert)
	h.now.Store(a)
}

// token is alice's, by that key.
func (h *house) token(key ed25519.PrivateKey, revision uint64) []byte {
	h.t.Helper()
	signer, err := identity.NewSigner(key)
	ok(h.t, nil, err)
	const id = 2_000_000_000
	signed, err := signer.SignIDToken(&identity.IDToken{
		Realm: "r", State: identity.Active, ValidUntil: identity.Never, Revision: revision,
		Account: identity.Account{UUID: uuid.New(), Name: "alice", UID: id, GID: id, Home: "/home/alice", Shell: "/bin/sh"},
		Groups:  []identity.Group{{UUID: uuid.New(), Name: "alice", GID: id}},
	})
	ok(h.t, nil, err)
	return signed
}

func (h *house) Describe(context.Context, *v1.DescribeRequest) (*v1.DescribeResponse, error) {
	h.asked.Add(1)
	a := h.now.Load()
	resp := &v1.DescribeResponse{Realm: a.realm, KeyList: a.list, ServerTime: a.time}
	for _, k := range a.keys {
		resp.SigningKeys = append(resp.SigningKeys, k)
	}
	return resp, nil
}

func (h *house) Join(context.Context, *v1.JoinRequest) (*v1.JoinResponse, error) {
	h.codes.Add(1)
	return &v1.JoinResponse{MachineUuid: uuid.NewString(), Realm: "r", MachineName: "box"}, nil
}

func (h *house) ReportClock(context.Context, *v1.ReportClockRequest) (*v1.ReportClockResponse, error) {
	return &v1.ReportClockResponse{}, nil
}

func (h *house) SetSealingKey(context.Context, *v1.SetSealingKeyRequest) (*v1.SetSealingKeyResponse, error) {
	return &v1.SetSealingKeyResponse{}, nil
}

func (h *house) GetIDToken(context.Context, *v1.GetIDTokenRequest) (*v1.GetIDTokenResponse, error) {
	return &v1.GetIDTokenResponse{IdToken: h.now.Load().token}, nil
}

func (h *house) ListIDTokens(_ context.Context, _ *v1.ListIDTokensRequest, s *connect.ServerStream[v1.ListIDTokensResponse]) error {
	return s.Send(&v1.ListIDTokensResponse{IdTokens: [][]byte{h.now.Load().token}, Position: 1, Done: true})
}

func (h *house) ReportLost(context.Context, *v1.ReportLostRequest) (*v1.ReportLostResponse, error) {
	return &v1.ReportLostResponse{}, nil
}

func (h *house) Watch(_ context.Context, _ *v1.WatchRequest, s *connect.ServerStream[v1.WatchResponse]) error {
	return s.Send(&v1.WatchResponse{Event: &v1.WatchResponse_CaughtUp{CaughtUp: &v1.CaughtUp{}}})
}

// start is the machine, begun anew with what it remembers.
func (h *house) start() *sallyport.Provider { return open(h.t, h.machine) }

func fetches(t testing.TB, p *sallyport.Provider) error {
	t.Helper()
	_, err := p.Fetch(t.Context(), "alice")
	return err
}

// Promise keys-list.
func TestNoStolenKeyAloneForgesAToken(t *testing.T) {
	thief := newKey(t)
	for sentence, c := range map[string]struct {
		answer   func(h *house)
		believed bool
	}{
		"the TLS key alone, with a signing key of the thief's": {func(h *house) {
			h.answer(h.cert, &answers{list: h.list, keys: []ed25519.PublicKey{public(thief)}, token: h.token(thief, 9)})
		}, false},
		"the TLS key alone, without a list": {func(h *house) {
			h.answer(h.cert, &answers{keys: []ed25519.PublicKey{public(thief)}, token: h.token(thief, 9)})
		}, false},
		"the TLS key alone, with a realm key of the thief's": {func(h *house) {
			h.answer(h.cert, &answers{list: newRootKey(t).bundle(9, h.cert.Leaf, public(thief)), token: h.token(thief, 9)})
		}, false},
		"the signing key alone": {func(h *house) {
			h.answer(selfSigned(t), &answers{list: h.list, token: h.token(h.signing, 9)})
		}, false},
		"the signing key alone, with a list that it signed": {func(h *house) {
			cert := selfSigned(t)
			signer, err := identity.NewSigner(h.signing)
			ok(t, nil, err)
			forged := &rootKey{t, public(h.signing), signer}
			h.answer(cert, &answers{list: forged.bundle(9, cert.Leaf, public(h.signing)), token: h.token(h.signing, 9)})
		}, false},
		"the signing key alone, with an introduction by it": {func(h *house) {
			cert, own := selfSigned(t), newRootKey(t)
			h.answer(cert, &answers{list: introduced(t, h.signing, own, cert.Leaf), token: h.token(h.signing, 9)})
		}, false},
		"TLS key and signing key": {func(h *house) {
			h.answer(h.cert, &answers{list: h.list, token: h.token(h.signing, 9)})
		}, true},
		"the realm key, and the way to the machine": {func(h *house) {
			cert := selfSigned(t)
			h.answer(cert, &answers{list: h.root.bundle(9, cert.Leaf, public(thief)), token: h.token(thief, 9)})
		}, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newHouse(t)
			p := h.start()
			ok(t, nil, fetches(t, p))
			c.answer(h)
			_ = p.Close() // the realm's own connection
			err := fetches(t, p)
			if (err == nil) != c.believed {
				t.Errorf("believed: %v (%v)", err == nil, err)
			}
			if err != nil && !errors.Is(err, provider.ErrUntrusted) {
				t.Errorf("no alarm: %v", err)
			}
			if err := fetches(t, h.start()); (err == nil) != c.believed {
				t.Errorf("believed after a restart: %v", err)
			}
		})
	}
}

// introduced is a bundle whose realm key a signing key vouches for.
func introduced(t testing.TB, by ed25519.PrivateKey, root *rootKey, server *x509.Certificate, keys ...ed25519.PublicKey) []byte {
	t.Helper()
	signer, err := identity.NewSigner(by)
	ok(t, nil, err)
	word, err := signer.SignIntroduction("r", root.pub, 1)
	ok(t, nil, err)
	b, err := identity.DecodeKeyBundle(root.bundle(9, server, append(keys, public(by))...))
	ok(t, nil, err)
	b.Introductions = [][]byte{word}
	encoded, err := b.Encode()
	ok(t, nil, err)
	return encoded
}

// Promise keys-stranger.
func TestTheMachineShowsItselfOnlyToAKnownServer(t *testing.T) {
	h := newHouse(t)
	shown := make(chan int, 8)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- len(r.TLS.PeerCertificates) }))
	stranger := selfSigned(t)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{stranger}}
	s.StartTLS()
	t.Cleanup(s.Close)
	o := h.machine
	o.URL = s.URL
	if err := fetches(t, open(t, o)); !errors.Is(err, provider.ErrUntrusted) {
		t.Errorf("got %v", err)
	}
	close(shown)
	n := 0
	for certificates := range shown {
		n++
		if certificates != 0 {
			t.Error("the machine showed its certificate to a stranger")
		}
	}
	if n != 1 {
		t.Errorf("the stranger was asked %d times, want once, for the key list", n)
	}
}

func TestARenewedCertificateNeedsNoVisitToTheMachine(t *testing.T) {
	h := newHouse(t)
	p := h.start()
	ok(t, nil, fetches(t, p))
	renewed := selfSigned(t)
	h.answer(renewed, &answers{list: h.root.bundle(2, renewed.Leaf, public(h.signing)), token: h.token(h.signing, 1)})
	_ = p.Close()
	ok(t, nil, fetches(t, p))
	asked := h.asked.Load()
	ok(t, nil, fetches(t, h.start()))
	if h.asked.Load() != asked {
		t.Error("the newer list is not remembered")
	}
	// And the one before is a stranger's from then on.
	h.answer(h.cert, &answers{list: h.list, token: h.token(h.signing, 1)})
	if err := fetches(t, h.start()); !errors.Is(err, provider.ErrUntrusted) {
		t.Errorf("the old certificate: %v", err)
	}
}

// Promise keys-stranger.
func TestAStrangerIsAskedForTheListOnceInAWhile(t *testing.T) {
	h := newHouse(t)
	at := time.Now()
	h.machine.Now = func() time.Time { return at }
	p := h.start()
	h.answer(selfSigned(t), &answers{list: h.list})
	for range 5 {
		if err := fetches(t, p); !errors.Is(err, provider.ErrUntrusted) {
			t.Fatal(err)
		}
	}
	if n := h.asked.Load(); n != 1 {
		t.Errorf("asked %d times at one moment", n)
	}
	at = at.Add(time.Minute)
	_ = fetches(t, p)
	if n := h.asked.Load(); n != 2 {
		t.Errorf("asked %d times after a minute", n)
	}
}

// Promise keys-version, keys-alarms.
func TestARealmWithoutAccountsRaisesTheAlarmToo(t *testing.T) {
	other := selfSigned(t)
	for sentence, answer := range map[string]func(h *house) *answers{
		"another realm":   func(h *house) *answers { return &answers{realm: "other", list: h.list} },
		"a lower version": func(h *house) *answers { return &answers{list: h.list} },
		"no list":         func(*house) *answers { return &answers{} },
		"a list by another key": func(h *house) *answers {
			return &answers{list: newRootKey(t).bundle(9, h.cert.Leaf, public(h.signing))}
		},
		"another list of the version": func(h *house) *answers { return &answers{list: h.root.bundle(2, other.Leaf, public(h.signing))} },
		"a list of a newer form":      func(*house) *answers { return &answers{list: []byte{0xa1, 0x01, 0x02}} },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newHouse(t)
			newer := h.root.bundle(2, h.cert.Leaf, public(h.signing))
			h.answer(h.cert, &answers{list: newer})
			p := h.start()
			quiet := func(provider.Event) error { return nil }
			if err := p.Watch(t.Context(), provider.Position{}, nil, quiet); errors.Is(err, provider.ErrUntrusted) {
				t.Fatal(err)
			}
			h.answer(h.cert, answer(h))
			err := p.Watch(t.Context(), provider.Position{}, nil, quiet)
			var doubt *provider.DoubtError
			if !errors.Is(err, provider.ErrUntrusted) || !errors.As(err, &doubt) || doubt.Mend == "" {
				t.Errorf("got %v", err)
			}
			h.answer(h.cert, &answers{list: newer})
			if err := p.Watch(t.Context(), provider.Position{}, nil, quiet); errors.Is(err, provider.ErrUntrusted) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func (h *house) GetVerdict(context.Context, *v1.GetVerdictRequest) (*v1.GetVerdictResponse, error) {
	return &v1.GetVerdictResponse{}, nil
}
