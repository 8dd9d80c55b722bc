package cache

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// VerifyNote is what came of a call while no server answered, for the realm's audit log.
type VerifyNote struct {
	Seq     int64 // by which it is deleted
	Account uuid.UUID
	// Realm and ID say who the other is, as in [VerifyContact].
	Realm string
	ID    uuid.UUID
	Event int
	Made  time.Time
}

// AddVerifyNote stores a note for a realm's server. Where there are more than most, the oldest
// of the account with the most goes: nobody pushes out the notes of others. dropped tells that
// one went.
func (c *Cache) AddVerifyNote(ctx context.Context, realm string, n VerifyNote, most int) (dropped bool, err error) {
	err = c.write(ctx, "store a note", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO verify_notes (provider, uuid, realm, id, event, made) VALUES (?, ?, ?, ?, ?, ?)`,
			realm, n.Account[:], n.Realm, n.ID[:], n.Event, n.Made.Unix()); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
		var count int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM verify_notes WHERE provider = ?`, realm).Scan(&count); err != nil || count <= most {
			return err //nolint:wrapcheck // likewise
		}
		dropped = true
		_, err := tx.ExecContext(ctx, `DELETE FROM verify_notes WHERE seq = (SELECT min(seq) FROM verify_notes WHERE provider = ? AND uuid =
			(SELECT uuid FROM verify_notes WHERE provider = ? GROUP BY uuid ORDER BY count(*) DESC, min(seq) LIMIT 1))`, realm, realm)
		return err //nolint:wrapcheck // likewise
	})
	return dropped, err
}

// NextVerifyNote is the oldest note for a realm's server; identity.ErrNotFound where there is none.
func (c *Cache) NextVerifyNote(ctx context.Context, realm string) (n VerifyNote, err error) {
	var account, id []byte
	var made int64
	err = c.db.QueryRowContext(ctx, `SELECT seq, uuid, realm, id, event, made FROM verify_notes WHERE provider = ? ORDER BY seq LIMIT 1`, realm).
		Scan(&n.Seq, &account, &n.Realm, &id, &n.Event, &made)
	if err == nil {
		n.Account, err = uuid.FromBytes(account)
	}
	if err == nil {
		n.ID, err = uuid.FromBytes(id)
	}
	n.Made = time.Unix(made, 0)
	return n, classify("read a note", err)
}

// DeleteVerifyNote ends one that was sent, or that nobody takes.
func (c *Cache) DeleteVerifyNote(ctx context.Context, seq int64) error {
	return c.write(ctx, "delete a note", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM verify_notes WHERE seq = ?`, seq); err != nil {
			return fmt.Errorf("note %d: %w", seq, err)
		}
		return nil
	})
}
