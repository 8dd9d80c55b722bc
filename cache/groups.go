package cache

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"
)

// Group is the signed token of a group that was asked for by itself. One that an
// account's token names needs none.
type Group struct {
	UUID    uuid.UUID
	Signed  []byte
	Fetched time.Time
	Asked   time.Time // when somebody last asked for it
}

// putGroups is the part of Apply that is about groups.
func putGroups(ctx context.Context, tx *sql.Tx, b Batch) error {
	for _, g := range b.Groups {
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO groups (provider, uuid, signed, fetched_at, asked_at) VALUES (?, ?, ?, ?, ?)`,
			b.Realm, g.UUID[:], g.Signed, g.Fetched.Unix(), g.Asked.UnixNano()); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
	}
	for _, id := range b.Ungroup {
		if err := dropGroup(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

func dropGroup(ctx context.Context, tx *sql.Tx, id uuid.UUID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM groups WHERE uuid = ?`, id[:])
	return err //nolint:wrapcheck // classified by write
}

// Groups returns every group of the realm, the one that was asked for longest ago
// first. There are as many as package daemon keeps, which bounds them.
func (c *Cache) Groups(ctx context.Context, realm string) ([]Group, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT uuid, signed, fetched_at, asked_at FROM groups WHERE provider = ? ORDER BY asked_at`, realm)
	if err != nil {
		return nil, classify("read groups", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []Group
	for rows.Next() {
		var g Group
		var id []byte
		var fetched, asked int64
		if err := rows.Scan(&id, &g.Signed, &fetched, &asked); err != nil {
			return nil, classify("read groups", err)
		}
		g.UUID, g.Fetched, g.Asked = uuid.UUID(id), time.Unix(fetched, 0), time.Unix(0, asked)
		all = append(all, g)
	}
	return all, classify("read groups", rows.Err())
}
