package cache

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Failures are what was counted of one kind at one origin of this machine; Origin ""
// is over all origins.
type Failures struct {
	Kind, Origin string
	identity.Tally
}

const (
	// keepFailures is when nothing that is counted is left of it.
	keepFailures = 14 * 24 * time.Hour
	// maxPlaces bounds the origins that are remembered of one account.
	maxPlaces = 64
)

// Failures returns what was counted of an account, the zero value when it is nothing.
func (c *Cache) Failures(ctx context.Context, id uuid.UUID, kind, origin string) (identity.Tally, error) {
	var t identity.Tally
	err := c.eachFailure(ctx, func(f Failures) { t = f.Tally }, `uuid = ? AND kind = ? AND origin = ?`, id[:], kind, origin)
	return t, err
}

// AllFailures lists what was counted of an account.
func (c *Cache) AllFailures(ctx context.Context, id uuid.UUID) ([]Failures, error) {
	var all []Failures
	err := c.eachFailure(ctx, func(f Failures) { all = append(all, f) }, `uuid = ? ORDER BY kind, origin`, id[:])
	return all, err
}

func (c *Cache) eachFailure(ctx context.Context, each func(Failures), where string, args ...any) error {
	rows, err := c.db.QueryContext(ctx, `SELECT kind, origin, count, last, locked_until FROM failures WHERE `+where, args...) //nolint:gosec // constants of this file
	if err != nil {
		return classify("read failures", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	for rows.Next() {
		var f Failures
		var last, until int64
		if err := rows.Scan(&f.Kind, &f.Origin, &f.Count, &last, &until); err != nil {
			return classify("read failures", err)
		}
		f.Since, f.LockedUntil = time.Unix(last, 0), time.Unix(until, 0)
		each(f)
	}
	return classify("read failures", rows.Err())
}

// Locks counts the accounts of which something is locked at that time, and tells when
// the last of these locks ends.
func (c *Cache) Locks(ctx context.Context, now time.Time) (accounts int, until time.Time, err error) {
	var last int64
	err = c.db.QueryRowContext(ctx, `SELECT COUNT(DISTINCT uuid), COALESCE(MAX(locked_until), 0) FROM failures WHERE locked_until > ?`,
		now.Unix()).Scan(&accounts, &last)
	return accounts, time.Unix(last, 0), classify("read locks", err)
}

// SetFailures stores what is counted of an account, all of it or nothing, and forgets
// what is so old that nothing is left of it.
func (c *Cache) SetFailures(ctx context.Context, id uuid.UUID, list ...Failures) error {
	return c.write(ctx, "count failure", func(tx *sql.Tx) error {
		for _, f := range list {
			if f.Count == 0 {
				if _, err := tx.ExecContext(ctx, `DELETE FROM failures WHERE uuid = ? AND kind = ? AND origin = ?`, id[:], f.Kind, f.Origin); err != nil {
					return err //nolint:wrapcheck // classified by write
				}
				continue
			}
			_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO failures (uuid, kind, origin, count, last, locked_until)
				VALUES (?, ?, ?, ?, ?, ?)`, id[:], f.Kind, f.Origin, f.Count, max(f.Since.Unix(), 0), max(f.LockedUntil.Unix(), 0))
			if err != nil {
				return err //nolint:wrapcheck // the same
			}
			_, err = tx.ExecContext(ctx, `DELETE FROM failures WHERE uuid = ? AND last < ? AND locked_until < ?`,
				id[:], f.Since.Add(-keepFailures).Unix(), f.Since.Unix())
			if err != nil {
				return err //nolint:wrapcheck // the same
			}
		}
		return nil
	})
}

// ClearFailures ends all counts of an account.
func (c *Cache) ClearFailures(ctx context.Context, id uuid.UUID) error {
	return c.write(ctx, "clear failures", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM failures WHERE uuid = ?`, id[:])
		return err //nolint:wrapcheck // classified by write
	})
}

// SignedIn remembers that the account has signed in from there, and ends what was
// counted of these kinds at that origin. It writes only what is new: a place is
// remembered to the hour.
func (c *Cache) SignedIn(ctx context.Context, id uuid.UUID, origin string, now time.Time, proved ...string) error {
	fresh, err := c.HasSignedIn(ctx, id, origin, now.Add(-time.Hour))
	if err != nil {
		return err
	}
	counted := false
	err = c.eachFailure(ctx, func(f Failures) { counted = true }, `uuid = ? AND origin = ?`, id[:], origin)
	if err != nil || fresh && !counted {
		return err
	}
	return c.write(ctx, "remember sign-in", func(tx *sql.Tx) error {
		for _, k := range proved {
			if _, err := tx.ExecContext(ctx, `DELETE FROM failures WHERE uuid = ? AND kind = ? AND origin = ?`, id[:], k, origin); err != nil {
				return err //nolint:wrapcheck // classified by write
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO places (uuid, origin, last) VALUES (?, ?, ?)`, id[:], origin, now.Unix()); err != nil {
			return fmt.Errorf("place: %w", err)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM places WHERE uuid = ? AND origin NOT IN (
			SELECT origin FROM places WHERE uuid = ? ORDER BY last DESC, origin LIMIT ?)`, id[:], id[:], maxPlaces)
		return err //nolint:wrapcheck // the same
	})
}

// HasSignedIn tells whether the account has signed in from there since.
func (c *Cache) HasSignedIn(ctx context.Context, id uuid.UUID, origin string, since time.Time) (bool, error) {
	var has bool
	err := c.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM places WHERE uuid = ? AND origin = ? AND last >= ?)`,
		id[:], origin, since.Unix()).Scan(&has)
	return has, classify("read places", err)
}
