package server

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// newNonce is for one challenge of a card.
func newNonce(now time.Time) identity.Nonce {
	n := identity.Nonce{Time: now.Unix()}
	_, _ = rand.Read(n.Value[:]) // never fails, see crypto/rand
	return n
}

// challenge is what a card signs in this step.
func (e *engine) challenge(s *session, f facts) identity.CardChallenge {
	return identity.CardChallenge{Realm: e.Name, Machine: s.client.id, Account: f.account.UUID, Service: s.service, Nonce: s.nonce}
}

// stepPIV takes a card's answer. Whatever is not a right answer of a card that is
// or was the account's is one failure, of a name that is nobody's as well. What is
// wrong with a card that did answer rightly is said, and not counted: its PIN was
// known. The work is not the same for everyone; whose a card is stands in the ID
// tokens that every machine has.
func (e *engine) stepPIV(ctx context.Context, s *session, f facts, credential identity.Secret, more bool) (answer, error) {
	if f.locked(identity.PIV) {
		return e.deny(ctx, s, answer{locked: true, reason: "locked"})
	}
	p, err := identity.ParseCardProof(credential.Reveal())
	if err != nil {
		return e.failed(ctx, s, identity.PIV, "piv: no proof")
	}
	card, ok := f.card(p.Fingerprint)
	if !ok {
		return e.failed(ctx, s, identity.PIV, "piv: unknown card")
	}
	if err := p.Verify(card.Certificate, e.challenge(s, f)); err != nil {
		return e.failed(ctx, s, identity.PIV, "piv: signature")
	}
	if card.Revoked {
		return e.deny(ctx, s, answer{message: cardRevoked, reason: "piv: revoked"})
	}
	cert, err := identity.ParseCard(card.Certificate)
	if err != nil {
		return answer{}, err
	}
	if why := cardDates(cert, e.now()); why != "" {
		return e.deny(ctx, s, answer{message: why, reason: "piv: " + why})
	}
	return e.advance(ctx, s, f, gain{proofs: []proof{provedCard(f, card)}}, more)
}

func (f *facts) card(fingerprint []byte) (store.Card, bool) {
	for _, c := range f.cards {
		if string(c.Fingerprint) == string(fingerprint) {
			return c, true
		}
	}
	return store.Card{}, false
}

func provedCard(f facts, c store.Card) proof {
	return proof{kind: identity.PIV, account: f.account.UUID, epoch: c.Epoch, card: string(c.Fingerprint)}
}

// What people are told of a card that answered rightly and counts for nothing.
const (
	cardRevoked = "This card was revoked. Use another way, or ask your administrator."
	cardExpired = "This card's certificate has expired. Use another way, or ask your administrator."
	cardNotYet  = "This card's certificate is not valid yet. Use another way, or ask your administrator."
)

// cardDates says why a card's certificate does not count now; empty when it does.
func cardDates(c *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(c.NotBefore):
		return cardNotYet
	case now.After(c.NotAfter):
		return cardExpired
	default:
		return ""
	}
}
