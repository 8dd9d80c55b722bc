package cache

import (
	"context"
	"database/sql"

	"github.com/google/uuid"
)

// SubIDs is where the range of subordinate ids of one account begins. Its length
// is identity.SubIDCount.
type SubIDs struct {
	UUID  uuid.UUID
	Start uint32
}

// SubIDs returns every range that was ever given out, also those of accounts that
// are gone, ranges ascending.
func (c *Cache) SubIDs(ctx context.Context, realm string) ([]SubIDs, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT uuid, start FROM subids WHERE provider = ? ORDER BY start`, realm)
	if err != nil {
		return nil, classify("read subordinate ids", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []SubIDs
	for rows.Next() {
		var s SubIDs
		var id []byte
		if err := rows.Scan(&id, &s.Start); err != nil {
			return nil, classify("read subordinate ids", err)
		}
		copy(s.UUID[:], id)
		all = append(all, s)
	}
	return all, classify("read subordinate ids", rows.Err())
}

// GiveSubIDs keeps a range for good: neither Remove, Forget nor Clear takes it
// back, for files may belong to its ids. A range or an account that has one
// already is an error.
func (c *Cache) GiveSubIDs(ctx context.Context, realm string, s SubIDs) error {
	return c.write(ctx, "give subordinate ids", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO subids (provider, uuid, start) VALUES (?, ?, ?)`, realm, s.UUID[:], s.Start)
		return err //nolint:wrapcheck // classified by write
	})
}
