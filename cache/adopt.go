package cache

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// An older release stored a realm's rows under kind and address of its server, as
// "sallyport https://id.example": when the address was changed, and changed back, tokens
// lay under one name and the claim to have them all under another. No realm's name has
// a blank, so such rows are told apart by it.

// Adopt gives the realm what an older release stored under an address of its server:
// its present one, and every other whose tokens are the realm's (ours says so of a
// signed token) or whose numbers belong to accounts of those. Where there was more than
// one, the list of accounts is to be read again. Rows of other realms stay as they are.
func (c *Cache) Adopt(ctx context.Context, realm, address string, ours func(signed []byte) bool) error {
	names, err := c.addresses(ctx, ours)
	if err != nil || len(names) == 0 {
		return classify("adopt rows", err)
	}
	mine := slices.DeleteFunc(slices.Clone(names), func(n addressed) bool { return !n.ours && n.name != address })
	for _, n := range names {
		if n.ours || n.name == address {
			continue
		}
		shares, err := c.sharesAccounts(ctx, n.name, mine)
		if err != nil {
			return classify("adopt rows", err)
		}
		if shares {
			mine = append(mine, n)
		}
	}
	// The ranges that are in use now are those of the present address: it goes first.
	slices.SortStableFunc(mine, func(a, b addressed) int { return rank(b.name == address) - rank(a.name == address) })
	if len(mine) == 0 {
		return nil
	}
	return c.write(ctx, "adopt rows", func(tx *sql.Tx) error { return adopt(ctx, tx, realm, mine) })
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// addressed is a name that rows are stored under; ours tells whether its tokens say so.
type addressed struct {
	name string
	ours bool
}

// looked is how many of a name's tokens are looked at.
const looked = 16

func (c *Cache) addresses(ctx context.Context, ours func([]byte) bool) ([]addressed, error) {
	names, err := column[string](ctx, c.db, `SELECT provider FROM contact WHERE provider GLOB '* *'
		UNION SELECT provider FROM ids WHERE provider GLOB '* *'
		UNION SELECT provider FROM subids WHERE provider GLOB '* *'
		UNION SELECT provider FROM tokens WHERE provider GLOB '* *'
		UNION SELECT provider FROM groups WHERE provider GLOB '* *'`)
	if err != nil {
		return nil, err
	}
	var all []addressed
	for _, name := range names {
		tokens, err := column[[]byte](ctx, c.db, `SELECT signed FROM tokens WHERE provider = ? LIMIT ?`, name, looked)
		if err != nil {
			return nil, err
		}
		all = append(all, addressed{name, slices.ContainsFunc(tokens, ours)})
	}
	return all, nil
}

// sharesAccounts tells whether a number under the name belongs to an account whose token
// lies under one of the others.
func (c *Cache) sharesAccounts(ctx context.Context, name string, others []addressed) (bool, error) {
	for _, o := range others {
		shared, err := column[int](ctx, c.db, `SELECT 1 FROM tokens JOIN ids USING (uuid) WHERE tokens.provider = ? AND ids.provider = ?
			UNION SELECT 1 FROM tokens JOIN subids USING (uuid) WHERE tokens.provider = ? AND subids.provider = ?`,
			o.name, name, o.name, name)
		if err != nil || len(shared) > 0 {
			return len(shared) > 0, err
		}
	}
	return false, nil
}

func adopt(ctx context.Context, tx *sql.Tx, realm string, mine []addressed) error {
	for _, n := range mine {
		for _, q := range []string{
			`UPDATE tokens SET provider = ? WHERE provider = ?`,
			`UPDATE ids SET provider = ? WHERE provider = ?`,
			`UPDATE groups SET provider = ? WHERE provider = ?`,
			`UPDATE OR IGNORE subids SET provider = ? WHERE provider = ?`,
		} {
			if _, err := tx.ExecContext(ctx, q, realm, n.name); err != nil {
				return fmt.Errorf("adopt: %w", err)
			}
		}
		if err := reserve(ctx, tx, realm, n.name); err != nil {
			return err
		}
	}
	return adoptContact(ctx, tx, realm, mine)
}

// reserve keeps what is left: a second range of an account that has one. It is nobody's
// from now on, and is not given out again.
func reserve(ctx context.Context, tx *sql.Tx, realm, name string) error {
	starts, err := column[int64](ctx, tx, `SELECT start FROM subids WHERE provider = ?`, name)
	if err != nil {
		return err
	}
	for _, start := range starts {
		nobody := uuid.New()
		if _, err := tx.ExecContext(ctx, `UPDATE subids SET provider = ?, uuid = ? WHERE start = ?`, realm, nobody[:], start); err != nil {
			return fmt.Errorf("adopt: %w", err)
		}
	}
	return nil
}

// adoptContact takes over how far the changes were followed. A claim to have every
// account is taken over only when there is one name that it can be about.
func adoptContact(ctx context.Context, tx *sql.Tx, realm string, mine []addressed) error {
	for _, n := range mine {
		if _, err := tx.ExecContext(ctx, `INSERT INTO contact (provider, position, complete, at, history, disowned, lost_at, lost_why)
			SELECT ?, position, complete, at, history, disowned, lost_at, lost_why FROM contact WHERE provider = ?
			ON CONFLICT (provider) DO UPDATE SET at = max(at, excluded.at), disowned = max(disowned, excluded.disowned),
				lost_at = max(lost_at, excluded.lost_at)`, realm, n.name); err != nil {
			return fmt.Errorf("adopt: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM contact WHERE provider = ?`, n.name); err != nil {
			return fmt.Errorf("adopt: %w", err)
		}
	}
	if len(mine) == 1 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE contact SET position = 0, complete = 0 WHERE provider = ?`, realm)
	if err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	return nil
}

// column reads the one column of a short answer.
func column[T any](ctx context.Context, q interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, query string, args ...any,
) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err //nolint:wrapcheck // classified by the caller
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err //nolint:wrapcheck // classified by the caller
		}
		all = append(all, v)
	}
	return all, rows.Err() //nolint:wrapcheck // classified by the caller
}
