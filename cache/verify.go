package cache

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity/verify"
)

// VerifyKey is an account's key to make sure of others with: the private half is readable
// only by what the machine seals with.
type VerifyKey struct {
	Public, Sealed []byte
	Made           time.Time
}

// VerifyContact is somebody whom an account of this machine asked about: as the realm said
// then, and what came of it.
type VerifyContact struct {
	ID             uuid.UUID
	Name, FullName string
	Public         []byte
	Made, Fetched  time.Time
	verify.Record
}

// VerifyKey is an account's; identity.ErrNotFound where there is none.
func (c *Cache) VerifyKey(ctx context.Context, account uuid.UUID) (VerifyKey, error) {
	var k VerifyKey
	var made int64
	err := c.db.QueryRowContext(ctx, `SELECT public, sealed, made FROM verify_keys WHERE uuid = ?`, account[:]).Scan(&k.Public, &k.Sealed, &made)
	k.Made = time.Unix(made, 0)
	return k, classify("read a key to verify with", err)
}

// PutVerifyKey stores one in place of the account's, of which nothing is left on the disk.
func (c *Cache) PutVerifyKey(ctx context.Context, account uuid.UUID, k VerifyKey) error {
	return c.write(ctx, "store a key to verify with", func(tx *sql.Tx) error {
		c.scrub.Store(true)
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO verify_keys (uuid, public, sealed, made) VALUES (?, ?, ?, ?)`,
			account[:], k.Public, k.Sealed, k.Made.Unix())
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
	rows, err := c.db.QueryContext(ctx, `SELECT id, name, full_name, public, made, fetched, confirmed, confirmed_at, heard, wrong, wrong_last, locked_until
		FROM verify_contacts WHERE uuid = ? ORDER BY name, id`, account[:])
	if err != nil {
		return nil, classify("read who was verified", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []VerifyContact
	for rows.Next() {
		var v VerifyContact
		var id []byte
		var made, fetched, confirmed, last, until int64
		if err := rows.Scan(&id, &v.Name, &v.FullName, &v.Public, &made, &fetched, &v.Confirmed, &confirmed, &v.Heard, &v.Wrong.Count, &last, &until); err != nil {
			return nil, classify("read who was verified", err)
		}
		if v.ID, err = uuid.FromBytes(id); err != nil {
			return nil, classify("read who was verified", err)
		}
		v.Made, v.Fetched, v.ConfirmedAt = time.Unix(made, 0), time.Unix(fetched, 0), time.Unix(confirmed, 0)
		v.Wrong.Since, v.Wrong.LockedUntil = time.Unix(last, 0), time.Unix(until, 0)
		all = append(all, v)
	}
	return all, classify("read who was verified", rows.Err())
}

// PutVerifyContact stores one in place of the one with that id.
func (c *Cache) PutVerifyContact(ctx context.Context, account uuid.UUID, v VerifyContact) error {
	return c.write(ctx, "store who was verified", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO verify_contacts
			(uuid, id, name, full_name, public, made, fetched, confirmed, confirmed_at, heard, wrong, wrong_last, locked_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			account[:], v.ID[:], v.Name, v.FullName, v.Public, v.Made.Unix(), v.Fetched.Unix(), named(v.Confirmed), max(v.ConfirmedAt.Unix(), 0), v.Heard,
			v.Wrong.Count, max(v.Wrong.Since.Unix(), 0), max(v.Wrong.LockedUntil.Unix(), 0))
		return err //nolint:wrapcheck // classified by write
	})
}
