package cache

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity/verify"
)

// VerifyKey is an account's key to make sure of others with: the private half is readable
// only by what the machine seals with, or is on a card, and then Sealed is empty.
type VerifyKey struct {
	Public, Sealed []byte
	Made           time.Time
	// Partners of the realm are told of it.
	Partners bool
}

// OnCard tells whether the private half is on a card.
func (k VerifyKey) OnCard() bool { return len(k.Sealed) == 0 }

// VerifyContact is somebody whom an account of this machine asked about: as the realm said
// then, and what came of it.
type VerifyContact struct {
	// Realm is theirs, "" the account's own. It and ID say who it is.
	Realm                string
	ID                   uuid.UUID
	Name, FullName       string
	Organisation, Domain string
	Public               []byte
	// Told is when another realm last said so to the account's; zero in its own.
	Made, Fetched, Told time.Time
	// ServerHeld: their server has the private half too; OwnServerHeld: of the account's key.
	ServerHeld, OwnServerHeld bool
	// LooksLike are realms whose names look like Realm, as the server said.
	LooksLike []string
	verify.Record
}

// Same tells whether both are one person.
func (v VerifyContact) Same(o VerifyContact) bool { return v.Realm == o.Realm && v.ID == o.ID }

// VerifyKey is an account's; identity.ErrNotFound where there is none.
func (c *Cache) VerifyKey(ctx context.Context, account uuid.UUID) (VerifyKey, error) {
	var k VerifyKey
	var made int64
	err := c.db.QueryRowContext(ctx, `SELECT public, sealed, made, partners FROM verify_keys WHERE uuid = ?`, account[:]).Scan(&k.Public, &k.Sealed, &made, &k.Partners)
	k.Made = time.Unix(made, 0)
	return k, classify("read a key to verify with", err)
}

// PutVerifyKey stores one in place of the account's, of which nothing is left on the disk.
func (c *Cache) PutVerifyKey(ctx context.Context, account uuid.UUID, k VerifyKey) error {
	return c.write(ctx, "store a key to verify with", func(tx *sql.Tx) error {
		c.scrub.Store(true)
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO verify_keys (uuid, public, sealed, made, partners) VALUES (?, ?, ?, ?, ?)`,
			account[:], k.Public, named(k.Sealed), k.Made.Unix(), k.Partners)
		return err //nolint:wrapcheck // classified by write
	})
}

// DeleteVerifyKey ends an account's, on the disk too.
func (c *Cache) DeleteVerifyKey(ctx context.Context, account uuid.UUID) error {
	return c.write(ctx, "delete a key to verify with", func(tx *sql.Tx) error { return c.endVerifyKey(ctx, tx, account) })
}

func (c *Cache) endVerifyKey(ctx context.Context, tx *sql.Tx, account uuid.UUID) error {
	c.scrub.Store(true)
	_, err := tx.ExecContext(ctx, `DELETE FROM verify_keys WHERE uuid = ?`, account[:])
	return err //nolint:wrapcheck // classified by write
}

// VerifyContacts are those of an account.
func (c *Cache) VerifyContacts(ctx context.Context, account uuid.UUID) ([]VerifyContact, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT realm, id, name, full_name, organisation, domain, told, server_held, own_server_held, looks_like,
		public, made, fetched, confirmed, confirmed_at, heard, wrong, wrong_last, locked_until
		FROM verify_contacts WHERE uuid = ? ORDER BY realm, name, id`, account[:])
	if err != nil {
		return nil, classify("read who was verified", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []VerifyContact
	for rows.Next() {
		v, err := scanContact(rows)
		if err != nil {
			return nil, classify("read who was verified", err)
		}
		all = append(all, v)
	}
	return all, classify("read who was verified", rows.Err())
}

func scanContact(rows *sql.Rows) (v VerifyContact, err error) {
	var id []byte
	var alike string
	var told, made, fetched, confirmed, last, until int64
	if err := rows.Scan(&v.Realm, &id, &v.Name, &v.FullName, &v.Organisation, &v.Domain, &told, &v.ServerHeld, &v.OwnServerHeld, &alike,
		&v.Public, &made, &fetched, &v.Confirmed, &confirmed, &v.Heard, &v.Wrong.Count, &last, &until); err != nil {
		return v, err //nolint:wrapcheck // classified by the caller
	}
	if told > 0 {
		v.Told = time.Unix(told, 0)
	}
	if alike != "" {
		v.LooksLike = strings.Split(alike, "\n")
	}
	v.Made, v.Fetched, v.ConfirmedAt = time.Unix(made, 0), time.Unix(fetched, 0), time.Unix(confirmed, 0)
	v.Wrong.Since, v.Wrong.LockedUntil = time.Unix(last, 0), time.Unix(until, 0)
	v.ID, err = uuid.FromBytes(id)
	return v, err //nolint:wrapcheck // likewise
}

// PutVerifyContact stores one in place of the one of that realm with that id.
func (c *Cache) PutVerifyContact(ctx context.Context, account uuid.UUID, v VerifyContact) error {
	return c.write(ctx, "store who was verified", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO verify_contacts
			(uuid, realm, id, name, full_name, organisation, domain, told, server_held, own_server_held, looks_like,
			public, made, fetched, confirmed, confirmed_at, heard, wrong, wrong_last, locked_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			account[:], v.Realm, v.ID[:], v.Name, v.FullName, v.Organisation, v.Domain, max(v.Told.Unix(), 0), v.ServerHeld, v.OwnServerHeld, strings.Join(v.LooksLike, "\n"),
			v.Public, v.Made.Unix(), v.Fetched.Unix(), named(v.Confirmed), max(v.ConfirmedAt.Unix(), 0), v.Heard,
			v.Wrong.Count, max(v.Wrong.Since.Unix(), 0), max(v.Wrong.LockedUntil.Unix(), 0))
		return err //nolint:wrapcheck // classified by write
	})
}
