package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// softCard is a card's key with a certificate of its own.
type softCard struct {
	key crypto.Signer
	der []byte
}

func newSoftCard(t testing.TB, key crypto.Signer) softCard {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return softCard{key, der}
}

func (c softCard) sign(t testing.TB, ch identity.CardChallenge) identity.CardProof {
	t.Helper()
	m, err := ch.Message()
	if err != nil {
		t.Fatal(err)
	}
	digest, opts := identity.CardDigest(c.key.Public(), m)
	sig, err := c.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	return identity.CardProof{Fingerprint: identity.CardFingerprint(c.der), Signature: sig}
}

func keysOfEveryKind(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	all := map[string]crypto.Signer{}
	add := func(name string, key crypto.Signer, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all[name] = key
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	add("RSA 2048", r, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	add("P-256", p256, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	add("P-384", p384, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	add("Ed25519", ed, err)
	return all
}

func aChallenge() identity.CardChallenge {
	return identity.CardChallenge{
		Realm: "example.org", Machine: uuid.MustParse("11111111-1111-4111-8111-111111111111"),
		Account: uuid.MustParse("22222222-2222-4222-8222-222222222222"), Service: "sudo",
		Nonce: identity.Nonce{Value: [identity.NonceLen]byte{1, 2, 3}, Time: 1_800_000_000},
	}
}

func TestWhatACardSignedCountsForThatOneChallengeOnly(t *testing.T) {
	for name, key := range keysOfEveryKind(t) {
		card := newSoftCard(t, key)
		proof := card.sign(t, aChallenge())
		if err := proof.Verify(card.der, aChallenge()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for what, change := range map[string]func(*identity.CardChallenge){
			"realm":   func(c *identity.CardChallenge) { c.Realm = "example.net" },
			"machine": func(c *identity.CardChallenge) { c.Machine[0]++ },
			"account": func(c *identity.CardChallenge) { c.Account[15]++ },
			"service": func(c *identity.CardChallenge) { c.Service = "login" },
			"time":    func(c *identity.CardChallenge) { c.Nonce.Time++ },
			"nonce":   func(c *identity.CardChallenge) { c.Nonce.Value[31]++ },
			"a piece moved from one field to the next": func(c *identity.CardChallenge) { c.Realm, c.Service = "example.orgs", "udo" },
		} {
			c := aChallenge()
			change(&c)
			if err := proof.Verify(card.der, c); !errors.Is(err, identity.ErrCard) {
				t.Errorf("%s, another %s: %v", name, what, err)
			}
		}
		other := newSoftCard(t, key) // the same key, and another certificate
		if err := proof.Verify(other.der, aChallenge()); !errors.Is(err, identity.ErrCard) {
			t.Errorf("%s, another card: %v", name, err)
		}
		for i := range proof.Signature {
			proof.Signature[i]++
			if err := proof.Verify(card.der, aChallenge()); !errors.Is(err, identity.ErrCard) {
				t.Errorf("%s, byte %d changed: %v", name, i, err)
			}
			proof.Signature[i]--
		}
	}
}

func TestACardWithAWeakKeyIsRefused(t *testing.T) {
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r3072, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-521": p521, "RSA 3072": r3072} {
		if _, err := identity.ParseCard(newSoftCard(t, key).der); !errors.Is(err, identity.ErrCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.ParseCard([]byte("hello")); !errors.Is(err, identity.ErrCard) {
		t.Error("no certificate is taken for one:", err)
	}
}

func TestACardProofTravelsAndNothingElseIsTakenForOne(t *testing.T) {
	card := newSoftCard(t, keysOfEveryKind(t)["P-256"])
	proof := card.sign(t, aChallenge())
	b, err := proof.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := identity.ParseCardProof(b.Reveal())
	if err != nil || back.Verify(card.der, aChallenge()) != nil {
		t.Fatal(back, err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "a text": []byte("hello"), "more behind it": append(b.Reveal(), 0), "an empty map": {0xa0},
		"less": b.Reveal()[:b.Len()-1],
	} {
		if _, err := identity.ParseCardProof(b); !errors.Is(err, identity.ErrCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, p := range map[string]identity.CardProof{
		"a short fingerprint": {Fingerprint: proof.Fingerprint[1:], Signature: proof.Signature},
		"no signature":        {Fingerprint: proof.Fingerprint},
		"a long certificate":  {Fingerprint: proof.Fingerprint, Signature: proof.Signature, Certificate: make([]byte, identity.MaxCertificate+1)},
		"a long chain":        {Fingerprint: proof.Fingerprint, Signature: proof.Signature, Attestation: make([][]byte, 3)},
	} {
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := identity.ParseCardProof(b.Reveal()); !errors.Is(err, identity.ErrCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Promise mutual-once.
func TestNoHalfOfAMutualProofIsGoodForAnotherUse(t *testing.T) {
	x := identity.CardServiceExchange{Challenge: make([]byte, 32), ServerChallenge: append(make([]byte, 31), 1)}
	for name, key := range keysOfEveryKind(t) {
		sig, err := x.Sign(identity.ServerSide, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Verify(identity.ServerSide, key.Public(), sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		turned := identity.CardServiceExchange{Challenge: x.ServerChallenge, ServerChallenge: x.Challenge}
		for what, err := range map[string]error{
			"the other side":     x.Verify(identity.MiddlewareSide, key.Public(), sig),
			"challenges swapped": turned.Verify(identity.ServerSide, key.Public(), sig),
			"nothing":            identity.CardServiceExchange{}.Verify(identity.ServerSide, key.Public(), sig),
			"no signature":       x.Verify(identity.ServerSide, key.Public(), nil),
			"no key":             x.Verify(identity.ServerSide, nil, sig),
		} {
			if !errors.Is(err, identity.ErrCardServiceProof) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	for _, n := range []int{0, identity.MinChallenge - 1, identity.MaxChallenge + 1} {
		short := identity.CardServiceExchange{Challenge: make([]byte, n), ServerChallenge: x.ServerChallenge}
		if _, err := short.Sign(identity.ServerSide, keysOfEveryKind(t)["Ed25519"]); !errors.Is(err, identity.ErrCardServiceProof) {
			t.Errorf("a challenge of %d bytes: %v", n, err)
		}
	}
}
