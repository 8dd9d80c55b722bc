package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// newNonce is for one challenge of a card.
func newNonce(now time.Time) identity.Nonce {
	n := identity.Nonce{Time: now.Unix()}
	_, _ = rand.Read(n.Value[:]) // never fails, see crypto/rand
	return n
}

// challenge is what a card signs in this step.
func (t *attempt) challenge() identity.CardChallenge {
	return identity.CardChallenge{Realm: t.Name, Machine: t.s.client.id, Account: t.f.account.UUID, Service: t.s.service, Nonce: t.s.nonce}
}

// pivFactor is a PIV card.
type pivFactor struct{}

func (pivFactor) traits() traits {
	return traits{kind: identity.PIV, counted: identity.PIV, first: true, signs: true, several: true}
}

// held returns those that were revoked too.
func (pivFactor) held(p *store.Person) (held any, left bool) { return p.Cards, true }

// step takes a card's answer. Whatever is not a right answer of a card that is
// or was the account's is one failure, of a name that is nobody's as well. What is
// wrong with a card that did answer rightly is said, and not counted: its PIN was
// known. The work is not the same for everyone; whose a card is stands in the ID
// tokens that every machine has.
func (pivFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	if t.f.locked(identity.PIV) {
		return t.locked(ctx)
	}
	p, err := identity.ParseCardProof(credential.Reveal())
	if err != nil {
		return t.failed(ctx, identity.PIV, "piv: no proof")
	}
	card, ok := t.f.card(p.Fingerprint)
	if !ok {
		return t.failed(ctx, identity.PIV, "piv: unknown card")
	}
	if err := p.Verify(card.Certificate, t.challenge()); err != nil {
		return t.failed(ctx, identity.PIV, "piv: signature")
	}
	if card.Revoked {
		return t.deny(ctx, answer{message: cardRevoked, reason: "piv: revoked"})
	}
	cert, err := identity.ParseCard(card.Certificate)
	if err != nil {
		return answer{}, err
	}
	if why := cardDates(cert, t.Now()); why != "" {
		return t.deny(ctx, answer{message: why, reason: "piv: " + why})
	}
	return t.advance(ctx, result{proofs: []proof{provedCard(t.f.account, card)}})
}

func (f *facts) card(fingerprint []byte) (store.Card, bool) {
	cards, _ := f.holds[identity.PIV].([]store.Card)
	for _, c := range cards {
		if string(c.Fingerprint) == string(fingerprint) {
			return c, true
		}
	}
	return store.Card{}, false
}

func provedCard(a store.Account, c store.Card) proof {
	return proof{kind: identity.PIV, account: a.UUID, epoch: c.Epoch, card: string(c.Fingerprint)}
}

func (pivFactor) enrol(_ context.Context, t *attempt) (answer, error) {
	return t.offer(t.s, []identity.FactorKind{identity.NewPIV}, answer{})
}

// remove revokes a card that a person gives up: it may be lost.
func (pivFactor) remove(tx *store.Tx, s *session, account uuid.UUID) error {
	return tx.RevokeCard(account, s.removeCard)
}

// newPIVFactor is the answer of a card that is to become the account's.
type newPIVFactor struct{}

// traits: someone has to find the card.
func (newPIVFactor) traits() traits {
	return traits{kind: identity.NewPIV, signs: true, patience: enrolTimeout}
}

// step makes a card the account's own, if it signed this step's challenge. A
// wrong answer is no failure, for it proves nothing; there is one try.
func (newPIVFactor) step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error) {
	s := t.s
	card, why, err := t.judgeCard(ctx, credential)
	if err != nil {
		return answer{}, err
	}
	if why != "" {
		return t.deny(ctx, answer{message: string(why), reason: "new-piv: " + string(why)})
	}
	return t.allow(ctx, s, func(tx *store.Tx, account store.Account) error {
		added, err := t.AddCard(tx, account.UUID, card)
		if err != nil {
			return err
		}
		s.proved = append(s.proved, provedCard(t.f.account, added))
		return tx.Record(entry(t.Now(), "account.enrol-piv", s, added.Detail()))
	})
}

// judgeCard judges the answer of a card that is to become the account's; why is set
// when it cannot.
func (t *attempt) judgeCard(ctx context.Context, credential identity.Secret) (store.Card, realm.RefusalError, error) {
	p, err := identity.ParseCardProof(credential.Reveal())
	if err != nil || len(p.Certificate) == 0 {
		return store.Card{}, "The card's answer was not understood. Nothing was changed.", nil
	}
	cert, err := identity.ParseCard(p.Certificate)
	if err != nil {
		return store.Card{}, "The card's certificate cannot be used: it takes a key of RSA 2048, P-256, P-384 or Ed25519.", nil
	}
	if p.Verify(p.Certificate, t.challenge()) != nil {
		return store.Card{}, "The card did not sign this request. Nothing was changed.", nil
	}
	if why := cardDates(cert, t.Now()); why != "" {
		return store.Card{}, realm.RefusalError(why), nil
	}
	card := describeCard(cert, "")
	var trusted store.Attestation
	err = t.Store.Read(ctx, func(tx *store.Tx) (err error) {
		trusted, err = tx.Attestation()
		return err
	})
	if err != nil {
		return store.Card{}, "", err
	}
	serial, err := attest(trusted.Authorities, cert, p.Attestation, t.Now())
	switch {
	case err == nil:
		card.Attested, card.Serial = true, serial
	case errors.Is(err, errNoPIN):
		return store.Card{}, "The card's key can be used without a PIN. Make a key that asks for the PIN. Nothing was changed.", nil
	case trusted.Required:
		t.Log.InfoContext(ctx, "a card could not show where its key was made", "account", t.s.name, "error", err)
		return store.Card{}, "This realm takes only cards that show that their key was made in them, and this one did not. Nothing was changed.", nil
	}
	return card, "", nil
}
