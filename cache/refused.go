package cache

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Refused is an account that the server sent and that this machine did not take. Its
// token is kept to be judged again at the next start: settings may have changed. It
// lets nobody in.
type Refused struct {
	UUID   uuid.UUID
	Name   identity.Name
	Reason string
	Signed []byte
}

// putRefused is the part of Apply that is about what was refused. What is put or
// removed is not refused any more.
func putRefused(ctx context.Context, tx *sql.Tx, b Batch) error {
	for _, r := range b.Refused {
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO refused (provider, uuid, name, reason, signed) VALUES (?, ?, ?, ?, ?)`,
			b.Realm, r.UUID[:], string(r.Name), r.Reason, named(r.Signed)); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
	}
	return nil
}

func unrefuse(ctx context.Context, tx *sql.Tx, id uuid.UUID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM refused WHERE uuid = ?`, id[:])
	return err //nolint:wrapcheck // classified by write
}

// Refused returns what was refused of the realm. There is as much as package daemon
// keeps, which bounds it.
func (c *Cache) Refused(ctx context.Context, realm string) ([]Refused, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT uuid, name, reason, signed FROM refused WHERE provider = ? ORDER BY uuid`, realm)
	if err != nil {
		return nil, classify("read refused accounts", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []Refused
	for rows.Next() {
		var r Refused
		var id []byte
		var name string
		if err := rows.Scan(&id, &name, &r.Reason, &r.Signed); err != nil {
			return nil, classify("read refused accounts", err)
		}
		r.UUID, r.Name = uuid.UUID(id), identity.Name(name)
		all = append(all, r)
	}
	return all, classify("read refused accounts", rows.Err())
}
