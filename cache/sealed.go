package cache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Sealed is the secret of a factor, readable only by what the machine seals with.
type Sealed struct {
	UUID  uuid.UUID
	Kind  identity.FactorKind
	Epoch uint64
	Blob  []byte
	// Key names the machine's key that opens Blob; empty in what an older release stored.
	Key []byte
}

// ErrUsed says that a time step, or a later one, was used before.
var ErrUsed = errors.New("the code was used before")

// PutSealed stores a sealed factor in place of the one of that account and kind,
// and that codes up to the step were used elsewhere.
func (c *Cache) PutSealed(ctx context.Context, s Sealed, step int64) error {
	return c.write(ctx, "store sealed factor", func(tx *sql.Tx) error {
		if err := c.end(ctx, tx, sealed, s.UUID, []Epoch{{s.Kind, s.Epoch}}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO sealed (uuid, kind, epoch, blob, seal_key) VALUES (?, ?, ?, ?, ?)`,
			s.UUID[:], string(s.Kind), int64(s.Epoch), s.Blob, named(s.Key)); err != nil { //nolint:gosec // same bits back
			return err //nolint:wrapcheck // classified by write
		}
		_, err := useStep(ctx, tx, s.UUID, Epoch{s.Kind, s.Epoch}, step)
		return err
	})
}

// Sealed returns the sealed factor of an account.
func (c *Cache) Sealed(ctx context.Context, id uuid.UUID, kind identity.FactorKind) (Sealed, error) {
	s := Sealed{UUID: id, Kind: kind}
	var epoch int64
	err := c.db.QueryRowContext(ctx, `SELECT epoch, blob, seal_key FROM sealed WHERE uuid = ? AND kind = ?`, id[:], string(kind)).Scan(&epoch, &s.Blob, &s.Key)
	if err != nil {
		return Sealed{}, classify("read sealed factor", err)
	}
	s.Epoch = uint64(epoch) //nolint:gosec // same bits back
	return s, nil
}

// DeleteSealed ends the sealed factors of an account, on the disk too.
func (c *Cache) DeleteSealed(ctx context.Context, id uuid.UUID) error {
	return c.write(ctx, "delete sealed factors", func(tx *sql.Tx) error { return c.end(ctx, tx, sealed, id, nil) })
}

// UseStep stores that the code of a time step was used. It is ErrUsed when that
// step or a later one of the same credential was used before. Only a nil error
// means that it is on disk.
func (c *Cache) UseStep(ctx context.Context, id uuid.UUID, of Epoch, step int64) error {
	return c.write(ctx, "use code", func(tx *sql.Tx) error {
		fresh, err := useStep(ctx, tx, id, of, step)
		if err == nil && !fresh {
			err = ErrUsed
		}
		return err
	})
}

func useStep(ctx context.Context, tx *sql.Tx, id uuid.UUID, of Epoch, step int64) (fresh bool, err error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO steps (uuid, kind, epoch, step) VALUES (?, ?, ?, ?)
		ON CONFLICT (uuid, kind) DO UPDATE SET epoch = excluded.epoch, step = excluded.step
		WHERE excluded.epoch <> epoch OR excluded.step > step`, id[:], string(of.Kind), int64(of.Epoch), step) //nolint:gosec // same bits back
	if err != nil {
		return false, err //nolint:wrapcheck // classified by write
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("use step: %w", err)
	}
	return n == 1, nil
}

// UsedStep returns the newest step of that credential that was used, 0 before the
// first.
func (c *Cache) UsedStep(ctx context.Context, id uuid.UUID, of Epoch) (int64, error) {
	var step int64
	err := c.db.QueryRowContext(ctx, `SELECT coalesce(max(step), 0) FROM steps WHERE uuid = ? AND kind = ? AND epoch = ?`,
		id[:], string(of.Kind), int64(of.Epoch)).Scan(&step) //nolint:gosec // same bits back
	return step, classify("read used codes", err)
}
