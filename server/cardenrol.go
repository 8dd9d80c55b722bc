package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// maxCards is how many cards an account may hold.
const maxCards = 8

// maxLabel bounds a card's label, which is shown in prompts.
const maxLabel = 128

// takeCard makes a card the account's own, if it signed this step's challenge. A
// wrong answer is no failure, for it proves nothing; there is one try.
func (e *engine) takeCard(ctx context.Context, s *session, f facts, credential identity.Secret) (answer, error) {
	card, why, err := e.newCard(ctx, s, f, credential)
	if err != nil {
		return answer{}, err
	}
	if why != "" {
		return e.deny(ctx, s, answer{message: string(why), reason: "new-piv: " + string(why)})
	}
	return e.allow(ctx, s, func(tx *store.Tx, account store.Account) error {
		added, err := addCard(tx, account.UUID, card)
		if err != nil {
			return err
		}
		s.proved = append(s.proved, provedCard(f, added))
		return tx.Record(entry(e.now(), "account.enrol-piv", s, cardDetail(added)))
	})
}

// newCard judges the answer of a card that is to become the account's; why is set
// when it cannot.
func (e *engine) newCard(ctx context.Context, s *session, f facts, credential identity.Secret) (store.Card, refusal, error) {
	p, err := identity.ParseCardProof(credential.Reveal())
	if err != nil || len(p.Certificate) == 0 {
		return store.Card{}, "The card's answer was not understood. Nothing was changed.", nil
	}
	cert, err := identity.ParseCard(p.Certificate)
	if err != nil {
		return store.Card{}, "The card's certificate cannot be used: it takes a key of RSA 2048, P-256, P-384 or Ed25519.", nil
	}
	if p.Verify(p.Certificate, e.challenge(s, f)) != nil {
		return store.Card{}, "The card did not sign this request. Nothing was changed.", nil
	}
	if why := cardDates(cert, e.now()); why != "" {
		return store.Card{}, refusal(why), nil
	}
	card := describeCard(cert, "")
	var trusted store.Attestation
	err = e.store.Read(ctx, func(tx *store.Tx) (err error) {
		trusted, err = tx.Attestation()
		return err
	})
	if err != nil {
		return store.Card{}, "", err
	}
	serial, err := attest(trusted.Authorities, cert, p.Attestation, e.now())
	switch {
	case err == nil:
		card.Attested, card.Serial = true, serial
	case errors.Is(err, errNoPIN):
		return store.Card{}, "The card's key can be used without a PIN. Make one that asks for it. Nothing was changed.", nil
	case trusted.Required:
		e.log.InfoContext(ctx, "a card could not show where its key was made", "account", s.name, "error", err)
		return store.Card{}, "This realm takes only cards that show that their key was made in them, and this one did not. Nothing was changed.", nil
	}
	return card, "", nil
}

// describeCard is a card of that certificate, not yet anyone's.
func describeCard(c *x509.Certificate, label string) store.Card {
	if label == "" {
		label = c.Subject.CommonName
	}
	if label == "" || identity.CheckText(label, maxLabel) != nil {
		label = "card"
	}
	key := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return store.Card{Fingerprint: identity.CardFingerprint(c.Raw), PublicKey: key[:], Certificate: c.Raw, Label: label}
}

// addCard stores a card, and says to a person why it cannot be.
func addCard(tx *store.Tx, account uuid.UUID, c store.Card) (store.Card, error) {
	cards, err := tx.Cards(account)
	if err != nil {
		return store.Card{}, err
	}
	live := 0
	for _, c := range cards {
		if !c.Revoked {
			live++
		}
	}
	if live >= maxCards {
		return store.Card{}, refusal(fmt.Sprintf("The account has %d cards, and may not have more.", live))
	}
	added, err := tx.AddCard(account, c)
	switch {
	case errors.Is(err, store.ErrOthers):
		return store.Card{}, refusal("This card belongs to another account.")
	case errors.Is(err, store.ErrRevoked):
		return store.Card{}, refusal("This card was revoked and cannot be used again. Ask your administrator.")
	case errors.Is(err, store.ErrExists):
		return store.Card{}, refusal("The account has this card already.")
	}
	return added, err
}

func cardDetail(c store.Card) string {
	return fmt.Sprintf("card=%x attested=%t serial=%s", c.Fingerprint, c.Attested, c.Serial)
}

// keyType names a card's key for people.
func keyType(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return "unknown"
	}
}
