package cache

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Token is one account's signed token with what it is found by.
type Token struct {
	UUID     uuid.UUID
	Name     identity.Name
	UID, GID uint32
	Revision uint64
	Signed   []byte
	Fetched  time.Time
}

// Epoch names one state of one credential.
type Epoch struct {
	Kind  identity.FactorKind
	Epoch uint64
}

// Put is a token to store, and the only verifiers and sealed factors that may live
// on beside it.
type Put struct {
	Token
	Keep []Epoch
}

// IDKind tells the two number spaces apart.
type IDKind string

// The number spaces.
const (
	UID IDKind = "uid"
	GID IDKind = "gid"
)

// ID says that a number belongs to a uuid, for good.
type ID struct {
	Kind IDKind
	ID   uint32
	UUID uuid.UUID
}

// Contact is how far a realm's changes were followed, and when last.
type Contact struct {
	Position uint64
	// History is the server's history that the position is of; zero where there is none.
	History uuid.UUID
	// Complete: every account up to Position is stored here.
	Complete bool
	At       time.Time
	// Disowned: the server has said that it lost changes, and its list was not read
	// since: no stored token lets anybody in.
	Disowned bool
	// LostAt is when it last said so, zero for never, and LostWhy its reason.
	LostAt  time.Time
	LostWhy string
}

// Batch is what one transaction changes.
type Batch struct {
	Realm   string
	Put     []Put
	IDs     []ID
	Remove  []uuid.UUID
	Refused []Refused
	Groups  []Group
	Ungroup []uuid.UUID // groups to drop
	Contact *Contact    // nil: as it was
}

// Apply stores the whole batch or nothing. Verifiers that it ends are gone from
// the disk when it returns nil.
func (c *Cache) Apply(ctx context.Context, b Batch) error {
	return c.write(ctx, "store tokens", func(tx *sql.Tx) error {
		for _, p := range b.Put {
			if err := put(ctx, tx, b.Realm, p); err != nil {
				return err
			}
			if err := c.endSecrets(ctx, tx, p.UUID, p.Keep); err != nil {
				return err
			}
			if err := unrefuse(ctx, tx, p.UUID); err != nil {
				return err
			}
		}
		for _, i := range b.IDs {
			if _, err := tx.ExecContext(ctx, `INSERT INTO ids (provider, kind, id, uuid) VALUES (?, ?, ?, ?)
				ON CONFLICT DO NOTHING`, b.Realm, string(i.Kind), i.ID, i.UUID[:]); err != nil {
				return err //nolint:wrapcheck // classified by write
			}
		}
		for _, id := range b.Remove {
			if err := c.remove(ctx, tx, id); err != nil {
				return err
			}
		}
		if err := putRefused(ctx, tx, b); err != nil {
			return err
		}
		if err := putGroups(ctx, tx, b); err != nil || b.Contact == nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO contact
			(provider, position, complete, at, history, disowned, lost_at, lost_why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			b.Realm, int64(b.Contact.Position), b.Contact.Complete, b.Contact.At.Unix(), //nolint:gosec // same bits back
			b.Contact.History[:], b.Contact.Disowned, unixOrZero(b.Contact.LostAt), b.Contact.LostWhy)
		return err //nolint:wrapcheck // classified by write
	})
}

func put(ctx context.Context, tx *sql.Tx, realm string, p Put) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO tokens
		(provider, uuid, name, uid, gid, revision, signed, fetched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		realm, p.UUID[:], string(p.Name), p.UID, p.GID, int64(p.Revision), p.Signed, p.Fetched.Unix()) //nolint:gosec // same bits back
	return err //nolint:wrapcheck // classified by write
}

func (c *Cache) remove(ctx context.Context, tx *sql.Tx, id uuid.UUID) error {
	if err := c.endSecrets(ctx, tx, id, nil); err != nil {
		return err
	}
	if err := c.endVerifyKey(ctx, tx, id); err != nil {
		return err
	}
	if err := unrefuse(ctx, tx, id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM verify_contacts WHERE uuid = ?`, id[:]); err != nil {
		return err //nolint:wrapcheck // classified by write
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE uuid = ?`, id[:])
	return err //nolint:wrapcheck // classified by write
}

// pageSize bounds how long Tokens holds the one connection.
const pageSize = 256

// Tokens calls each for every token of the realm, in no order. The callback
// may use the Cache.
func (c *Cache) Tokens(ctx context.Context, realm string, each func(Token) error) error {
	after := []byte{}
	for {
		page, err := c.page(ctx, realm, after)
		if err != nil {
			return classify("read tokens", err)
		}
		for _, t := range page {
			if err := each(t); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		last := page[len(page)-1].UUID
		after = last[:]
	}
}

const tokenColumns = `SELECT uuid, name, uid, gid, revision, signed, fetched_at FROM tokens `

// tokenPage goes on in the order of the primary key. The "+" keeps SQLite from the index by
// revision, after which it would sort all of a realm for each page.
const tokenPage = tokenColumns + `WHERE +provider = ? AND uuid > ? ORDER BY uuid LIMIT ?`

func (c *Cache) page(ctx context.Context, realm string, after []byte) ([]Token, error) {
	rows, err := c.db.QueryContext(ctx, tokenPage, realm, after, pageSize)
	if err != nil {
		return nil, err //nolint:wrapcheck // classified by the caller
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []Token
	for rows.Next() {
		t, err := scanToken(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err() //nolint:wrapcheck // classified by the caller
}

func scanToken(row interface{ Scan(into ...any) error }) (Token, error) {
	var t Token
	var id []byte
	var name string
	var revision, fetched int64
	if err := row.Scan(&id, &name, &t.UID, &t.GID, &revision, &t.Signed, &fetched); err != nil {
		return Token{}, err //nolint:wrapcheck // classified by the caller
	}
	t.UUID, t.Name = uuid.UUID(id), identity.Name(name)
	t.Revision, t.Fetched = uint64(revision), time.Unix(fetched, 0) //nolint:gosec // same bits back
	return t, nil
}

// Token returns one account's token.
func (c *Cache) Token(ctx context.Context, id uuid.UUID) (Token, error) {
	t, err := scanToken(c.db.QueryRowContext(ctx, tokenColumns+`WHERE uuid = ?`, id[:]))
	return t, classify("read token", err)
}

// IDs calls each for every number that was ever seen.
func (c *Cache) IDs(ctx context.Context, realm string, each func(ID)) error {
	rows, err := c.db.QueryContext(ctx, `SELECT kind, id, uuid FROM ids WHERE provider = ?`, realm)
	if err != nil {
		return classify("read ids", err)
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	for rows.Next() {
		var kind string
		var i ID
		var id []byte
		if err := rows.Scan(&kind, &i.ID, &id); err != nil {
			return classify("read ids", err)
		}
		if len(id) != len(i.UUID) {
			continue
		}
		i.Kind, i.UUID = IDKind(kind), uuid.UUID(id)
		each(i)
	}
	return classify("read ids", rows.Err())
}

// Contact returns what Apply stored, identity.ErrNotFound before the first.
func (c *Cache) Contact(ctx context.Context, realm string) (Contact, error) {
	var position, at, lost int64
	var history []byte
	var k Contact
	err := c.db.QueryRowContext(ctx, `SELECT position, complete, at, history, disowned, lost_at, lost_why FROM contact WHERE provider = ?`, realm).
		Scan(&position, &k.Complete, &at, &history, &k.Disowned, &lost, &k.LostWhy)
	if err == nil {
		k.History, err = uuid.FromBytes(history)
	}
	if err != nil {
		return Contact{}, classify("read contact", err)
	}
	if lost != 0 {
		k.LostAt = time.Unix(lost, 0)
	}
	k.Position, k.At = uint64(position), time.Unix(at, 0) //nolint:gosec // same bits back
	return k, nil
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Newest returns the stored token of the highest revision.
func (c *Cache) Newest(ctx context.Context, realm string) (Token, error) {
	t, err := scanToken(c.db.QueryRowContext(ctx, tokenColumns+`WHERE provider = ? ORDER BY revision DESC LIMIT 1`, realm))
	return t, classify("read newest token", err)
}

// Forget drops everything about one account, its failures and numbers too, also
// its own group and that one's number.
func (c *Cache) Forget(ctx context.Context, id, ownGroup uuid.UUID) error {
	return c.write(ctx, "forget account", func(tx *sql.Tx) error {
		if err := c.remove(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM ids WHERE uuid IN (?, ?)`, id[:], ownGroup[:]); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
		if err := dropGroup(ctx, tx, ownGroup); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM failures WHERE uuid = ?`, id[:]); err != nil {
			return err //nolint:wrapcheck // classified by write
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM places WHERE uuid = ?`, id[:])
		return err //nolint:wrapcheck // classified by write
	})
}

// Clear drops every account, group, verifier and number, and what was known of contact.
// Failures, places, used codes, the clock, subordinate ids, a provider's notes, keys to
// verify people with and who was verified stay:
// clearing unlocks nobody.
func (c *Cache) Clear(ctx context.Context) error {
	return c.write(ctx, "clear cache", func(tx *sql.Tx) error {
		c.scrub.Store(true)
		for _, q := range []string{
			`DELETE FROM verifiers`, `DELETE FROM sealed`, `DELETE FROM tokens`, `DELETE FROM refused`, `DELETE FROM groups`, `DELETE FROM ids`, `DELETE FROM contact`,
		} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err //nolint:wrapcheck // classified by write
			}
		}
		return nil
	})
}
