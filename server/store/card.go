package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Card is a smartcard of an account's, by its certificate.
type Card struct {
	Fingerprint []byte // SHA-256 of Certificate
	PublicKey   []byte // SHA-256 of its public key (SubjectPublicKeyInfo)
	Certificate []byte // DER
	Label       string
	Epoch       uint64
	// Attested: it was shown that the key was made in a card; Serial is that
	// card's number, where it said so.
	Attested bool
	Serial   string
	// Revoked: it counts no more, and is not taken again.
	Revoked bool
}

// Detail is the card as the audit log writes it.
func (c Card) Detail() string {
	return fmt.Sprintf("card=%x attested=%t serial=%s", c.Fingerprint, c.Attested, c.Serial)
}

// Errors of AddCard.
var (
	// ErrOthers says that a card is another account's.
	ErrOthers = errors.New("the card is another account's")
	// ErrRevoked says that a card was this account's and was revoked.
	ErrRevoked = errors.New("the card was revoked")
)

// AddCard gives the account a card; its epoch is the account's new revision. It is
// ErrExists when the account has that certificate, ErrOthers or ErrRevoked when its
// key is another's or was revoked, under whatever certificate.
func (t *Tx) AddCard(account uuid.UUID, c Card) (Card, error) {
	if err := t.checkCard(account, c); err != nil {
		return Card{}, err
	}
	rev, err := t.touch(account)
	if err != nil {
		return Card{}, err
	}
	c.Epoch, c.Revoked = rev, false
	_, err = t.exec(`INSERT INTO cards (fingerprint, account_uuid, public_key, certificate, label, epoch, attested, serial, revoked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)`, c.Fingerprint, account, c.PublicKey, c.Certificate, c.Label, c.Epoch, c.Attested, c.Serial)
	return c, err
}

func (t *Tx) checkCard(account uuid.UUID, c Card) error {
	var known error
	err := t.each(func(row *sql.Rows) error {
		var owner uuid.UUID
		var print []byte
		var revoked bool
		if err := row.Scan(&owner, &print, &revoked); err != nil {
			return err
		}
		switch {
		case owner != account:
			known = ErrOthers
		case known == nil && revoked:
			known = ErrRevoked
		case known == nil && string(print) == string(c.Fingerprint):
			known = fmt.Errorf("the card %w", ErrExists)
		}
		return nil
	}, `SELECT account_uuid, fingerprint, revoked > 0 FROM cards WHERE public_key = ? OR fingerprint = ?`, c.PublicKey, c.Fingerprint)
	return errors.Join(err, known)
}

// Cards lists the account's cards in the order in which they came, and behind them
// those that were revoked, the last one first.
func (t *Tx) Cards(account uuid.UUID) ([]Card, error) {
	var cards []Card
	err := t.each(func(row *sql.Rows) error {
		var c Card
		err := row.Scan(&c.Fingerprint, &c.PublicKey, &c.Certificate, &c.Label, &c.Epoch, &c.Attested, &c.Serial, &c.Revoked)
		cards = append(cards, c)
		return err
	}, `SELECT fingerprint, public_key, certificate, label, epoch, attested, serial, revoked > 0 FROM cards WHERE account_uuid = ?
		ORDER BY revoked > 0, revoked DESC, epoch, fingerprint`, account)
	return cards, err
}

// RevokeCard ends a card's use for good.
func (t *Tx) RevokeCard(account uuid.UUID, fingerprint []byte) error {
	rev, err := t.touch(account)
	if err != nil {
		return err
	}
	return t.one(`UPDATE cards SET revoked = ? WHERE account_uuid = ? AND fingerprint = ? AND revoked = 0`, rev, account, fingerprint)
}

// RemoveCard forgets a card of the account's, in use or revoked.
func (t *Tx) RemoveCard(account uuid.UUID, fingerprint []byte) error {
	if err := t.one(`DELETE FROM cards WHERE account_uuid = ? AND fingerprint = ?`, account, fingerprint); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// RevokedCards lists the fingerprints of the cards that were revoked last.
func (t *Tx) RevokedCards(account uuid.UUID) ([][]byte, error) {
	var list [][]byte
	err := t.each(func(row *sql.Rows) error {
		var print []byte
		err := row.Scan(&print)
		list = append(list, print)
		return err
	}, `SELECT fingerprint FROM cards WHERE account_uuid = ? AND revoked > 0 ORDER BY revoked DESC, fingerprint LIMIT ?`, account, identity.MaxRevoked)
	return list, err
}
