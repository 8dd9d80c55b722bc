package cache

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Verifier is what a password is checked against without a network. MAC is the
// machine's seal over the Argon2id hash; Memory is in KiB.
type Verifier struct {
	UUID    uuid.UUID
	Kind    identity.FactorKind
	Epoch   uint64
	Salt    []byte
	Memory  uint32
	Time    uint32
	Threads uint8
	MAC     []byte
	// Key names the machine's key that made MAC; empty in what an older release stored.
	Key  []byte
	Made time.Time
}

// Clock is the latest time that was known for sure, and CLOCK_BOOTTIME then.
type Clock struct {
	HighWater time.Time
	Boot      time.Duration
}

// secrets is a table of what ends with its credential: how it is read and deleted.
type secrets struct{ list, remove string }

//nolint:gochecknoglobals // constant tables
var (
	verifiers = secrets{`SELECT kind, epoch FROM verifiers WHERE uuid = ?`, `DELETE FROM verifiers WHERE uuid = ? AND kind = ?`}
	sealed    = secrets{`SELECT kind, epoch FROM sealed WHERE uuid = ?`, `DELETE FROM sealed WHERE uuid = ? AND kind = ?`}
)

// endSecrets deletes verifiers and sealed factors of an account but those to keep.
func (c *Cache) endSecrets(ctx context.Context, tx *sql.Tx, id uuid.UUID, keep []Epoch) error {
	if err := c.end(ctx, tx, verifiers, id, keep); err != nil {
		return err
	}
	return c.end(ctx, tx, sealed, id, keep)
}

func (c *Cache) end(ctx context.Context, tx *sql.Tx, table secrets, id uuid.UUID, keep []Epoch) error {
	rows, err := tx.QueryContext(ctx, table.list, id[:])
	if err != nil {
		return err //nolint:wrapcheck // classified by write
	}
	defer rows.Close() //nolint:errcheck // the transaction's end says what went wrong
	var dead []string
	for rows.Next() {
		var kind string
		var epoch int64
		if err := rows.Scan(&kind, &epoch); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
		if !kept(keep, Epoch{identity.FactorKind(kind), uint64(epoch)}) { //nolint:gosec // same bits back
			dead = append(dead, kind)
		}
	}
	if err := rows.Err(); err != nil {
		return err //nolint:wrapcheck // classified by write
	}
	for _, kind := range dead {
		c.scrub.Store(true)
		if _, err := tx.ExecContext(ctx, table.remove, id[:], kind); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
	}
	return nil
}

func kept(keep []Epoch, e Epoch) bool {
	for _, k := range keep {
		if k == e {
			return true
		}
	}
	return false
}

// PutVerifier stores a verifier in place of the one of that account and kind.
func (c *Cache) PutVerifier(ctx context.Context, v Verifier) error {
	return c.write(ctx, "store verifier", func(tx *sql.Tx) error {
		if err := c.end(ctx, tx, verifiers, v.UUID, nil); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO verifiers
			(uuid, kind, epoch, salt, memory, time, threads, mac, made_at, seal_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.UUID[:], string(v.Kind), int64(v.Epoch), v.Salt, v.Memory, v.Time, v.Threads, v.MAC, v.Made.Unix(), named(v.Key)) //nolint:gosec // same bits back
		return err //nolint:wrapcheck // classified by write
	})
}

// named is a key's name as it is stored: never NULL.
func named(key []byte) []byte {
	if key == nil {
		return []byte{}
	}
	return key
}

// Verifier returns the verifier of an account.
func (c *Cache) Verifier(ctx context.Context, id uuid.UUID, kind identity.FactorKind) (Verifier, error) {
	v := Verifier{UUID: id, Kind: kind}
	var epoch, made int64
	err := c.db.QueryRowContext(ctx, `SELECT epoch, salt, memory, time, threads, mac, made_at, seal_key
		FROM verifiers WHERE uuid = ? AND kind = ?`, id[:], string(kind)).
		Scan(&epoch, &v.Salt, &v.Memory, &v.Time, &v.Threads, &v.MAC, &made, &v.Key)
	if err != nil {
		return Verifier{}, classify("read verifier", err)
	}
	v.Epoch, v.Made = uint64(epoch), time.Unix(made, 0) //nolint:gosec // same bits back
	return v, nil
}

// DeleteVerifiers ends every verifier and sealed factor of an account, on the disk too.
func (c *Cache) DeleteVerifiers(ctx context.Context, id uuid.UUID) error {
	return c.write(ctx, "delete verifiers", func(tx *sql.Tx) error { return c.endSecrets(ctx, tx, id, nil) })
}

// Verifiers returns the accounts that have one.
func (c *Cache) Verifiers(ctx context.Context) (map[uuid.UUID]bool, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT DISTINCT uuid FROM verifiers`)
	if err != nil {
		return nil, classify("read verifiers", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	all := make(map[uuid.UUID]bool)
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, classify("read verifiers", err)
		}
		if u, err := uuid.FromBytes(id); err == nil {
			all[u] = true
		}
	}
	return all, classify("read verifiers", rows.Err())
}

// Clock returns what SetClock stored, identity.ErrNotFound before the first.
func (c *Cache) Clock(ctx context.Context) (Clock, error) {
	var high, boot int64
	err := c.db.QueryRowContext(ctx, `SELECT high_water, boot FROM clock`).Scan(&high, &boot)
	if err != nil {
		return Clock{}, classify("read clock", err)
	}
	return Clock{HighWater: time.Unix(0, high), Boot: time.Duration(boot)}, nil
}

// SetClock stores the clock.
func (c *Cache) SetClock(ctx context.Context, k Clock) error {
	return c.write(ctx, "store clock", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO clock (one, high_water, boot) VALUES (1, ?, ?)`,
			k.HighWater.UnixNano(), int64(k.Boot))
		return err //nolint:wrapcheck // classified by write
	})
}

// Recall returns a provider's note; see provider.Memory.
func (c *Cache) Recall(ctx context.Context, key string) ([]byte, error) {
	var v []byte
	err := c.db.QueryRowContext(ctx, `SELECT value FROM notes WHERE key = ?`, key).Scan(&v)
	return v, classify("recall "+key, err)
}

// Remember keeps a provider's note; see provider.Memory.
func (c *Cache) Remember(ctx context.Context, key string, value []byte) error {
	return c.write(ctx, "remember "+key, func(tx *sql.Tx) error {
		if value == nil {
			value = []byte{}
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)`, key, value)
		return err //nolint:wrapcheck // classified by write
	})
}
