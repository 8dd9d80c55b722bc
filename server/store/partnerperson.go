package store

import (
	"database/sql"
	"errors"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// ErrPartnerPeople says that a partner tells of more people than are kept of one.
var ErrPartnerPeople = errors.New("a partner tells of too many people")

// Told is what partners are told of one account that has changed.
type Told struct {
	Revision uint64
	ID       uuid.UUID
	// Person is nil where there is nobody to verify, any more.
	Person *identity.PartnerPerson
}

// ToldAfter lists at most limit accounts that partners are told of and that have changed since
// the revision, oldest first. Nobody is among them who has never said to be.
func (t *Tx) ToldAfter(revision uint64, limit int) (list []Told, err error) {
	err = t.each(func(row *sql.Rows) error {
		var is Told
		var key []byte
		var name, full sql.NullString
		var from, until, made sql.NullInt64
		var held bool
		if err := row.Scan(&is.Revision, &is.ID, &name, &full, &from, &until, &key, &made, &held); err != nil {
			return err
		}
		if name.Valid && made.Valid {
			is.Person = &identity.PartnerPerson{
				ID: is.ID, Name: identity.Name(name.String), FullName: full.String, Public: key, Made: made.Int64, ValidFrom: from.Int64, ValidUntil: until.Int64, ServerHeld: held,
			}
		}
		list = append(list, is)
		return nil
	}, `SELECT c.revision, c.account_uuid, a.name, a.full_name, a.valid_from, a.valid_until, k.public_key, k.made,
			CASE WHEN h.sealed IS NULL THEN 0 ELSE 1 END
		FROM partner_told t JOIN changes c ON c.account_uuid = t.account_uuid
		LEFT JOIN accounts a ON a.uuid = t.account_uuid AND a.state = ?
		LEFT JOIN verify_keys k ON k.account_uuid = t.account_uuid AND k.partners = 1
		LEFT JOIN verify_held h ON h.account_uuid = k.account_uuid AND h.public_key = k.public_key
		WHERE c.revision > ? ORDER BY c.revision LIMIT ?`, identity.Active, int64(revision), limit) //nolint:gosec // below 2^62, see history.go
	return list, err
}

// TellsFrom tells whether the change log can go on from there, see [Tx.Changes].
func (t *Tx) TellsFrom(history uuid.UUID, revision uint64) (bool, error) {
	_, ok, err := t.Changes(history, revision, 0)
	return ok, err
}

// SetPartnerPeople stores people of a partner in place of those of their ids and names, and
// forgets others. It is ErrPartnerPeople where there would be more than that many.
func (t *Tx) SetPartnerPeople(partner uuid.UUID, people []identity.PartnerPerson, gone []uuid.UUID, most int) error {
	for _, p := range people {
		if err := t.later(`DELETE FROM partner_people WHERE partner = ? AND (uuid = ? OR name = ?)`, partner, p.ID, p.Name); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if err := t.later(`DELETE FROM partner_people WHERE partner = ? AND uuid = ?`, partner, id); err != nil {
			return err
		}
	}
	for _, p := range people {
		err := t.later(`INSERT INTO partner_people (partner, uuid, name, full_name, public_key, made, valid_from, valid_until, server_held) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			partner, p.ID, p.Name, p.FullName, p.Public, p.Made, p.ValidFrom, p.ValidUntil, p.ServerHeld)
		if err != nil {
			return err
		}
	}
	n, err := t.PartnerPeople(partner)
	if err == nil && n > most {
		err = ErrPartnerPeople
	}
	return err
}

// PartnerPeople counts whom a partner has told of.
func (t *Tx) PartnerPeople(partner uuid.UUID) (n int, err error) {
	err = t.get([]any{&n}, `SELECT COUNT(*) FROM partner_people WHERE partner = ?`, partner)
	return n, err
}

// DropPartnerPeople forgets all people of a partner.
func (t *Tx) DropPartnerPeople(partner uuid.UUID) error {
	_, err := t.exec(`DELETE FROM partner_people WHERE partner = ?`, partner)
	return err
}

// ForgetPartnerPeople forgets them, and where the partner stood: the next answer begins anew.
func (t *Tx) ForgetPartnerPeople(partner uuid.UUID) error {
	if err := t.DropPartnerPeople(partner); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE partners SET history = ?, position = 0, listing = 0 WHERE id = ?`, uuid.Nil, partner)
	return err
}

// PartnerPerson is somebody of a partner, by name or by uuid; identity.ErrNotFound where it
// has told of nobody who is that.
func (t *Tx) PartnerPerson(partner uuid.UUID, by By) (p identity.PartnerPerson, err error) {
	err = t.get([]any{&p.ID, &p.Name, &p.FullName, &p.Public, &p.Made, &p.ValidFrom, &p.ValidUntil, &p.ServerHeld},
		`SELECT uuid, name, full_name, public_key, made, valid_from, valid_until, server_held FROM partner_people WHERE partner = ? AND `+by.column+` = ?`, partner, by.value)
	return p, err
}
