package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// softCard is a card whose key lies in memory.
type softCard struct {
	key crypto.Signer
	der []byte
}

func keyOf(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "RSA 2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certify makes a certificate of key by issuer, nil for its own.
func certify(t testing.TB, template, issuer *x509.Certificate, key crypto.Signer, by crypto.Signer) []byte {
	t.Helper()
	if issuer == nil {
		issuer, by = template, key
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// card is one that is valid for a year from the bench's time.
func (b *bench) card(kind, label string) *softCard {
	b.t.Helper()
	now := time.Unix(b.unix.Load(), 0)
	key := keyOf(b.t, kind)
	return &softCard{key, certify(b.t, &x509.Certificate{
		Subject: pkix.Name{CommonName: label}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
	}, nil, key, nil)}
}

func (c *softCard) proof(t testing.TB, what identity.CardChallenge) identity.CardProof {
	t.Helper()
	message, err := what.Message()
	if err != nil {
		t.Fatal(err)
	}
	digest, opts := identity.CardDigest(c.key.Public(), message)
	sig, err := c.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	return identity.CardProof{Fingerprint: identity.CardFingerprint(c.der), Signature: sig}
}

func encoded(t testing.TB, p identity.CardProof) string {
	t.Helper()
	s, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(s.Reveal())
}

// give makes the card an account's, by the administrator.
func (b *bench) give(name string, c *softCard) {
	b.t.Helper()
	b.must(b.admin.AddCard(b.t.Context(), &v1.AddCardRequest{Name: name, Certificate: c.der}))
}

func (b *bench) uuid(name identity.Name) (id uuid.UUID) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountByName(name)
		id = a.UUID
		return err
	}))
	return id
}

// failures are those of every factor, each counted once.
func (b *bench) failures(name identity.Name) (n uint32) {
	b.t.Helper()
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Failures(name)
		for _, f := range all {
			if f.Origin != "" {
				n += f.Count
			}
		}
		return err
	}))
	return n
}

// begin begins as a machine does, with what else it asks for.
func (b *bench) begin(s session) answer {
	b.t.Helper()
	s.client = machineAsClient(b.box)
	if s.name == "" {
		s.name = "alice"
	}
	if s.service == "" {
		s.service = "test"
	}
	a, err := b.admit(&s)
	b.must(nil, err)
	return a
}

// asked is what a card of alice's is to sign after that answer.
func (b *bench) asked(a answer) identity.CardChallenge {
	return identity.CardChallenge{Realm: b.Name, Machine: b.box.UUID, Account: b.uuid("alice"), Service: "test", Nonce: a.nonce}
}

// sign answers an offer of a card.
func (b *bench) sign(a answer, c *softCard, more bool) answer {
	b.t.Helper()
	return b.send(a.cookie, identity.PIV, encoded(b.t, c.proof(b.t, b.asked(a))), more)
}

// send is one step.
func (b *bench) send(cookie string, kind identity.FactorKind, credential string, more bool) answer {
	b.t.Helper()
	a, err := b.step(b.t.Context(), machineAsClient(b.box), cookie, kind, identity.NewSecret([]byte(credential)), more)
	b.must(nil, err)
	return a
}

// Promise card-answer-once.
func TestACardOfEachKindOfKeySignsInByItself(t *testing.T) {
	for _, kind := range []string{"RSA 2048", "P-256", "P-384", "Ed25519"} {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t)
			c := b.card(kind, "Alice's card")
			b.give("alice", c)
			got := b.sign(b.begin(session{}), c, false)
			if !got.allow {
				t.Fatal(got.reason)
			}
			s, err := b.ring().SessionToken(got.session)
			if err != nil || len(s.Methods) != 1 || s.Methods[0] != identity.PIV {
				t.Fatal(s, err)
			}
			token, err := b.ring().IDToken(got.id)
			if err != nil || len(token.Factors) != 2 || token.Factors[1].Label != "Alice's card" {
				t.Fatal(token.Factors, err)
			}
		})
	}
}

// TestACardSignsOneAuthenticationAndNoOther changes each part of what is signed.
// Promise card-answer-once.
func TestACardSignsOneAuthenticationAndNoOther(t *testing.T) {
	for part, change := range map[string]func(*identity.CardChallenge){
		"realm":   func(c *identity.CardChallenge) { c.Realm = "elsewhere" },
		"machine": func(c *identity.CardChallenge) { c.Machine = uuid.New() },
		"account": func(c *identity.CardChallenge) { c.Account = uuid.New() },
		"service": func(c *identity.CardChallenge) { c.Service = "sudo" },
		"time":    func(c *identity.CardChallenge) { c.Nonce.Time++ },
		"nonce":   func(c *identity.CardChallenge) { c.Nonce.Value[0] ^= 1 },
		"no nonce": func(c *identity.CardChallenge) {
			c.Nonce = identity.Nonce{}
		},
	} {
		t.Run(part, func(t *testing.T) {
			b := newBench(t)
			c := b.card("P-256", "card")
			b.give("alice", c)
			a := b.begin(session{})
			challenge := b.asked(a)
			change(&challenge)
			got := b.send(a.cookie, identity.PIV, encoded(t, c.proof(t, challenge)), false)
			if got.outcome() != "deny" || got.message != denial || b.failures("alice") != 1 {
				t.Fatalf("%s, %q, %d failures", got.outcome(), got.message, b.failures("alice"))
			}
		})
	}
}

// Promise card-answer-once.
func TestACardSignsTheServiceThatWasBegun(t *testing.T) {
	b := newBench(t)
	c := b.card("P-256", "card")
	b.give("alice", c)
	if got := b.sign(b.begin(session{service: "sudo"}), c, false); got.allow {
		t.Fatal("what was signed for another service let someone in")
	}
	a := b.begin(session{service: "sudo"})
	challenge := b.asked(a)
	challenge.Service = "sudo"
	if got := b.send(a.cookie, identity.PIV, encoded(t, c.proof(t, challenge)), false); !got.allow {
		t.Fatal(got.reason)
	}
}

// Promise card-answer-once.
func TestANonceIsGoodForOneStepOfItsSessionAndNotForLong(t *testing.T) {
	b := newBench(t)
	c := b.card("P-256", "card")
	b.give("alice", c)
	first, second := b.begin(session{}), b.begin(session{})
	if first.nonce == second.nonce {
		t.Fatal("two sessions have one nonce")
	}
	used := encoded(t, c.proof(t, b.asked(first)))
	if got := b.send(second.cookie, identity.PIV, used, false); got.allow {
		t.Fatal("the nonce of another session")
	}
	if got := b.send(first.cookie, identity.PIV, used, false); !got.allow {
		t.Fatal(got.reason)
	}
	if got := b.send(b.begin(session{}).cookie, identity.PIV, used, false); got.allow {
		t.Fatal("it was taken twice")
	}
	a := b.begin(session{})
	next := b.send(a.cookie, identity.Password, right, true)
	if next.nonce == a.nonce || next.nonce == (identity.Nonce{}) {
		t.Fatal("no new nonce with the next offer")
	}
	if got := b.send(next.cookie, identity.PIV, encoded(t, c.proof(t, b.asked(a))), true); got.allow {
		t.Fatal("the nonce of the step before")
	}
	a = b.begin(session{})
	b.unix.Add(int64(stepTimeout / time.Second))
	if got := b.sign(a, c, false); got.allow {
		t.Fatal("a nonce of two minutes ago")
	}
}

// TestWhatIsNoRightAnswerOfAnyCardIsOneFailureWhoeverItIsFor has every name and
// every wrong answer look the same.
// Promise card-wrong-answer.
func TestWhatIsNoRightAnswerOfAnyCardIsOneFailureWhoeverItIsFor(t *testing.T) {
	b := newBench(t)
	mine, other := b.card("P-256", "card"), b.card("Ed25519", "another")
	b.give("alice", mine)
	said := map[string]bool{}
	for _, name := range []identity.Name{"alice", "carol", "dora", "nobody-here"} {
		for what, credential := range map[string]func(answer) string{
			"malformed":    func(answer) string { return "x" },
			"empty":        func(answer) string { return "" },
			"unknown card": func(a answer) string { return encoded(t, other.proof(t, b.asked(a))) },
			"wrong signature": func(answer) string {
				return encoded(t, identity.CardProof{Fingerprint: identity.CardFingerprint(mine.der), Signature: []byte{1, 2, 3}})
			},
			"another's key": func(a answer) string {
				p := other.proof(t, b.asked(a))
				p.Fingerprint = identity.CardFingerprint(mine.der)
				return encoded(t, p)
			},
		} {
			a := b.begin(session{name: name})
			if a.nonce == (identity.Nonce{}) || strings.Join(realm.Words(a.offers), " ") != "password password+totp piv" {
				t.Fatalf("%s is offered %v", name, a.offers)
			}
			before := b.failures(name)
			got := b.send(a.cookie, identity.PIV, credential(a), false)
			if n := b.failures(name) - before; n != 1 {
				t.Errorf("%s, %s: %d failures", name, what, n)
			}
			said[got.outcome()+got.message] = true
			b.must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.ClearFailures(name) }))
		}
	}
	if len(said) != 1 {
		t.Errorf("told apart: %v", said)
	}
	for range originBrake.From {
		b.send(b.begin(session{}).cookie, identity.PIV, "x", false)
	}
	if got := b.sign(b.begin(session{}), mine, false); got.allow || !got.locked {
		t.Errorf("locked: %+v", got)
	}
}

// Promise card-wrong-answer.
func TestARightCardThatDoesNotCountIsToldWhyAndNotCounted(t *testing.T) {
	for state, spoil := range map[string]struct {
		how  func(b *bench, c *softCard)
		says string
	}{
		"revoked": {func(b *bench, c *softCard) {
			b.must(b.admin.RevokeCard(b.t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: hexOf(c)}))
		}, cardRevoked},
		"expired":       {func(b *bench, _ *softCard) { b.unix.Add(366 * 24 * 3600) }, cardExpired},
		"not yet valid": {func(b *bench, _ *softCard) { b.unix.Add(-2 * 3600) }, cardNotYet},
		"disabled": {func(b *bench, _ *softCard) {
			b.must(b.admin.SetAccountState(b.t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: true}))
		}, "This account is disabled. Ask your administrator."},
	} {
		t.Run(state, func(t *testing.T) {
			b := newBench(t)
			c := b.card("P-256", "card")
			b.give("alice", c)
			spoil.how(b, c)
			got := b.sign(b.begin(session{}), c, false)
			if got.outcome() != "deny" || got.message != spoil.says || b.failures("alice") != 0 {
				t.Errorf("%s, %q, %d failures", got.outcome(), got.message, b.failures("alice"))
			}
		})
	}
}

// Promise strength-offered.
func TestACardThatIsRevokedInTheMiddleLetsNobodyIn(t *testing.T) {
	b := newBench(t)
	b.totp()
	c := b.card("P-256", "card")
	b.give("alice", c)
	a := b.sign(b.begin(session{}), c, true)
	if a.outcome() != "offer totp" {
		t.Fatal(a.outcome())
	}
	b.must(b.admin.RevokeCard(t.Context(), &v1.CardRequest{Name: "alice", Fingerprint: hexOf(c)}))
	if got := b.send(a.cookie, identity.TOTP, b.code(0), false); got.outcome() != "deny" {
		t.Fatal(got.outcome())
	}
}
