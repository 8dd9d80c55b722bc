package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// maxCards is how many cards an account may hold.
const maxCards = 8

// maxLabel bounds a card's label, which is shown in prompts.
const maxLabel = 128

// NewCard is a card of that certificate, not yet anyone's.
func (*Engine) NewCard(der []byte, label string) (store.Card, error) {
	if err := identity.CheckText(label, maxLabel); err != nil {
		return store.Card{}, fmt.Errorf("label: %w", err)
	}
	cert, err := identity.ParseCard(der)
	if err == nil && len(cert.Raw) > identity.MaxCertificate {
		err = fmt.Errorf("certificate of %d bytes, at most %d", len(cert.Raw), identity.MaxCertificate)
	}
	if err != nil {
		return store.Card{}, err
	}
	return describeCard(cert, label), nil
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

// AddCard stores a card, and says to a person why it cannot be.
func (*Engine) AddCard(tx *store.Tx, account uuid.UUID, c store.Card) (store.Card, error) {
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
		return store.Card{}, realm.RefusalError(fmt.Sprintf("The account has %d cards, and may not have more.", live))
	}
	added, err := tx.AddCard(account, c)
	switch {
	case errors.Is(err, store.ErrOthers):
		return store.Card{}, realm.RefusalError("This card belongs to another account.")
	case errors.Is(err, store.ErrRevoked):
		return store.Card{}, realm.RefusalError("This card was revoked and cannot be used again. Ask your administrator.")
	case errors.Is(err, store.ErrExists):
		return store.Card{}, realm.RefusalError("The account has this card already.")
	}
	return added, err
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
