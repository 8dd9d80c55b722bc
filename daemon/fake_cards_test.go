package daemon

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// softCard is a card whose key lies in memory.
type softCard struct {
	key     crypto.Signer
	der     []byte
	pin     string
	retries int
	touch   bool
	// agreement is its key in slot 9D; nil: none.
	agreement *ecdh.PrivateKey
}

func newCard(t testing.TB, from, until time.Time) *softCard {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	return &softCard{key: key, der: der, pin: "123456", retries: 3}
}

func validCard(t testing.TB) *softCard {
	t.Helper()
	return newCard(t, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (c *softCard) fingerprint() []byte { return identity.CardFingerprint(c.der) }

// reader is a card service with at most one card in it.
type reader struct {
	mu    sync.Mutex
	card  *softCard
	finds int
	signs int
	// before is called when a signature is asked for; its error is the card's.
	before func() error
	forge  bool // signatures are of something else
}

func (r *reader) insert(c *softCard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.card = c
}

func fault(f identity.CardFault) error { return &identity.CardError{Fault: f, Retries: -1} }

func (r *reader) Find(_ context.Context, wanted identity.CardsWanted) (identity.CardSeen, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finds++
	is := func(fp []byte) bool { return bytes.Equal(fp, r.card.fingerprint()) }
	switch {
	case r.card == nil:
		return identity.CardSeen{}, fault(identity.CardNone)
	case slices.ContainsFunc(wanted.Live, is) && wanted.Agreement != nil && !bytes.Equal(r.card.agrees(), wanted.Agreement):
		return identity.CardSeen{}, &identity.CardError{Fault: identity.CardUnsupported, Retries: -1, Err: identity.ErrAgreementOther}
	case slices.ContainsFunc(wanted.Live, is):
		return identity.CardSeen{Fingerprint: r.card.fingerprint(), Retries: r.card.retries}, nil
	case slices.ContainsFunc(wanted.Revoked, is):
		return identity.CardSeen{}, fault(identity.CardRevoked)
	default:
		return identity.CardSeen{}, fault(identity.CardWrong)
	}
}

func (r *reader) Sign(_ context.Context, seen identity.CardSeen, pin identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	card, err := r.unlocked(seen, pin, touch)
	if err != nil {
		return identity.CardProof{}, err
	}
	if r.forge {
		c.Service += "!"
	}
	return card.sign(c)
}

// unlocked is the card that was seen, if it is there and the PIN is right.
func (r *reader) unlocked(seen identity.CardSeen, pin identity.Secret, touch func()) (*softCard, error) {
	r.mu.Lock()
	card, before := r.card, r.before
	r.signs++
	r.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return nil, err
		}
	}
	switch {
	case card == nil || !bytes.Equal(card.fingerprint(), seen.Fingerprint):
		return nil, fault(identity.CardRemoved)
	case card.retries == 0:
		return nil, fault(identity.CardBlocked)
	case string(pin.Reveal()) != card.pin:
		r.mu.Lock()
		defer r.mu.Unlock()
		card.retries--
		return nil, &identity.CardError{Fault: identity.CardWrongPIN, Retries: card.retries}
	}
	card.retries = 3
	if card.touch {
		touch()
	}
	return card, nil
}

// agrees is the public half in slot 9D.
func (c *softCard) agrees() []byte {
	if c.agreement == nil {
		return nil
	}
	return c.agreement.PublicKey().Bytes()
}

func (r *reader) PrepareAgreement(_ context.Context, seen identity.CardSeen, _ identity.CardOrder, pin identity.Secret, touch func()) (made identity.CardAgreement, err error) {
	card, err := r.unlocked(seen, pin, touch)
	if err != nil {
		return made, err
	}
	if made.Made = card.agreement == nil; made.Made {
		if card.agreement, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
			return made, err
		}
	}
	made.Public = card.agrees()
	return made, nil
}

func (r *reader) Agree(_ context.Context, seen identity.CardSeen, pin identity.Secret, own, theirs []byte, touch func()) (identity.Secret, error) {
	card, err := r.unlocked(seen, pin, touch)
	if err != nil {
		return identity.Secret{}, err
	}
	if !bytes.Equal(own, card.agrees()) {
		return identity.Secret{}, &identity.CardError{Fault: identity.CardUnsupported, Retries: -1, Err: identity.ErrAgreementOther}
	}
	other, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return identity.Secret{}, err
	}
	shared, err := card.agreement.ECDH(other)
	return identity.NewSecret(shared), err
}

func (c *softCard) sign(challenge identity.CardChallenge) (identity.CardProof, error) {
	message, err := challenge.Message()
	if err != nil {
		return identity.CardProof{}, err
	}
	digest, opts := identity.CardDigest(c.key.Public(), message)
	signature, err := c.key.Sign(rand.Reader, digest, opts)
	return identity.CardProof{Fingerprint: c.fingerprint(), Signature: signature}, err
}

// carded gives a person a card.
func carded(c *softCard) func(*person) {
	return func(p *person) {
		p.token.Factors = append(p.token.Factors, identity.Factor{
			Kind: identity.PIV, Epoch: uint64(len(p.token.Factors)) + 7, Label: "blue", Certificate: c.der,
		})
	}
}
