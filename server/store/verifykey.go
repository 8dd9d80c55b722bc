package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
)

// VerifyKey is the key that a person makes sure of others with.
type VerifyKey struct {
	Public []byte
	Made   time.Time
	// Sealed is the private half, encrypted, where the server holds it; nil: it does not.
	Sealed []byte
	// Partners: realms that this one is a partner of are told of the account.
	Partners bool
}

// VerifyKey is an account's; identity.ErrNotFound where there is none.
func (t *Tx) VerifyKey(account uuid.UUID) (k VerifyKey, err error) {
	var made int64
	err = t.get([]any{&k.Public, &made, &k.Partners, &k.Sealed}, `SELECT k.public_key, k.made, k.partners, h.sealed FROM verify_keys k
		LEFT JOIN verify_held h ON h.account_uuid = k.account_uuid AND h.public_key = k.public_key WHERE k.account_uuid = ?`, account)
	k.Made = time.Unix(made, 0)
	return k, err
}

// SetVerifyKey stores one in place of the account's, of which nothing is left. What partners
// are told, or were, is a change of the account.
func (t *Tx) SetVerifyKey(account uuid.UUID, k VerifyKey) error {
	before, err := t.VerifyKey(account)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return err
	}
	_, err1 := t.exec(`DELETE FROM verify_held WHERE account_uuid = ?`, account)
	_, err2 := t.exec(`INSERT INTO verify_keys (account_uuid, public_key, made, partners) VALUES (?, ?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET public_key = excluded.public_key, made = excluded.made, partners = excluded.partners`,
		account, k.Public, k.Made.Unix(), k.Partners)
	if err = errors.Join(err1, err2); err == nil && k.Sealed != nil {
		_, err = t.exec(`INSERT INTO verify_held (account_uuid, public_key, sealed) VALUES (?, ?, ?)`, account, k.Public, k.Sealed)
	}
	if err == nil && k.Partners {
		_, err = t.exec(`INSERT INTO partner_told (account_uuid) VALUES (?) ON CONFLICT DO NOTHING`, account)
	}
	if err == nil && (k.Partners || before.Partners) {
		_, err = t.touch(account)
	}
	return err
}

// RemoveVerifyKey forgets it; identity.ErrNotFound where there is none.
func (t *Tx) RemoveVerifyKey(account uuid.UUID) error {
	before, err := t.VerifyKey(account)
	if err != nil {
		return err
	}
	if err := t.one(`DELETE FROM verify_keys WHERE account_uuid = ?`, account); err != nil || !before.Partners {
		return err
	}
	_, err = t.touch(account)
	return err
}

// EndHeldVerifyKeys removes all keys whose private halves the server holds, and tells whose
// they were.
func (t *Tx) EndHeldVerifyKeys() (owners []Account, err error) {
	owners, err = t.accounts(`WHERE uuid IN (SELECT k.account_uuid FROM verify_keys k
		JOIN verify_held h ON h.account_uuid = k.account_uuid AND h.public_key = k.public_key) ORDER BY name`)
	for _, a := range owners {
		err = errors.Join(err, t.RemoveVerifyKey(a.UUID))
	}
	_, rest := t.exec(`DELETE FROM verify_held`)
	return owners, errors.Join(err, rest)
}

// VerifyHeard is what the server remembers of somebody who was verified by a key that it
// holds: of a realm, with an id and a name there.
type VerifyHeard struct {
	Realm string
	ID    uuid.UUID
	Name  string
	verify.Record
}

// VerifyHeard lists all that an account has heard of.
func (t *Tx) VerifyHeard(account uuid.UUID) (all []VerifyHeard, err error) {
	err = t.each(func(row *sql.Rows) error {
		var h VerifyHeard
		var at, since, until int64
		err := row.Scan(&h.Realm, &h.ID, &h.Name, &h.Confirmed, &at, &h.Heard, &h.Wrong.Count, &since, &until)
		h.ConfirmedAt, h.Wrong.Since, h.Wrong.LockedUntil = time.Unix(at, 0), time.Unix(since, 0), time.Unix(until, 0)
		all = append(all, h)
		return err
	}, `SELECT realm, id, name, confirmed, confirmed_at, heard, count, since, locked_until FROM verify_heard WHERE account_uuid = ?`, account)
	return all, err
}

// SetVerifyHeard stores it in place of what was remembered of that person.
func (t *Tx) SetVerifyHeard(account uuid.UUID, h VerifyHeard) error {
	_, err := t.exec(`INSERT INTO verify_heard (account_uuid, realm, id, name, confirmed, confirmed_at, heard, count, since, locked_until)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account_uuid, realm, id) DO UPDATE SET name = excluded.name, confirmed = excluded.confirmed, confirmed_at = excluded.confirmed_at,
		heard = excluded.heard, count = excluded.count, since = excluded.since, locked_until = excluded.locked_until`,
		account, h.Realm, h.ID, h.Name, h.Confirmed, unix(h.ConfirmedAt), h.Heard, h.Wrong.Count, unix(h.Wrong.Since), unix(h.Wrong.LockedUntil))
	return err
}
