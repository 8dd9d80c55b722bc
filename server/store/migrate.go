package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// breaking is the first line of a script after which programs that do not know it cannot
// serve the database any more. Without it they can: so the servers of a realm can be
// upgraded one after the other.
const breaking = "-- breaking\n"

// ErrOld says that a database is of an older version than this program serves.
var ErrOld = errors.New("the database is of an older version")

// script is one migration; its version is its place in the list, from 1.
type script struct{ name, text string }

func (s *Store) scriptList() ([]script, error) {
	folder, err := s.scripts()
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	names, err := fs.Glob(folder, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var list []script
	for _, n := range names {
		text, err := fs.ReadFile(folder, n)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		list = append(list, script{n, string(text)})
	}
	return list, nil
}

// migrate applies, in the order of their names, the migrations that this database has not
// seen, each in one transaction with the row that records it.
func (s *Store) migrate(ctx context.Context) error {
	list, err := s.scriptList()
	if err != nil {
		return err
	}
	if err := s.check(ctx, len(list)); !errors.Is(err, ErrOld) {
		return err
	}
	err = s.Write(ctx, func(tx *Tx) error {
		_, err := tx.exec(`CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for i, m := range list {
		if err := s.Write(ctx, func(tx *Tx) error { return tx.apply(i+1, m.text) }); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return s.check(ctx, len(list))
}

// check tells whether a program that knows that many migrations can serve the database. It
// is ErrOld where some are missing there.
func (s *Store) check(ctx context.Context, known int) error {
	return s.Read(ctx, func(tx *Tx) error {
		is, err := tx.has("migrations", "version")
		if err != nil {
			return err
		}
		if !is {
			return ErrOld
		}
		marked, err := tx.has("migrations", "breaking")
		if err != nil {
			return err
		}
		newest, last := 0, `SELECT COALESCE(MAX(version), 0) FROM migrations`
		if err := tx.get([]any{&newest}, last); err != nil {
			return err
		}
		if newest < known {
			return fmt.Errorf("%w: %d, and this program needs %d", ErrOld, newest, known)
		}
		if marked {
			last += ` WHERE breaking = 1`
		}
		if err := tx.get([]any{&newest}, last); err != nil {
			return err
		}
		if newest > known {
			return fmt.Errorf("the database is of version %d, this program knows up to %d: use a newer program", newest, known)
		}
		return nil
	})
}

// has tells whether there is such a column.
func (t *Tx) has(table, column string) (is bool, err error) {
	err = t.get([]any{&is}, t.engine.hasColumn(), table, column)
	return is, err
}

func (t *Tx) apply(version int, script string) error {
	var done bool
	if err := t.get([]any{&done}, `SELECT EXISTS (SELECT 1 FROM migrations WHERE version = ?)`, version); err != nil || done {
		return err
	}
	// The driver runs every statement of the script, and stops at the first that fails.
	if _, err := t.exec(script); err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO migrations (version, applied) VALUES (?, ?)`, version, time.Now().Unix()); err != nil {
		return err
	}
	if !strings.HasPrefix(script, breaking) {
		return nil
	}
	_, err := t.exec(`UPDATE migrations SET breaking = 1 WHERE version = ?`, version)
	return err
}

// Migrate brings the tables of a PostgreSQL database up to date, or makes them. owner is
// the address of the role that owns them, and serving that of the role that servers sign in
// as, which gets the rights that those need and no others where it is another one.
func Migrate(ctx context.Context, owner, serving string) error {
	e, err := openPostgres(owner)
	if err != nil {
		return err
	}
	s := over(e)
	if err := s.migrate(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	if serving != owner {
		err = grant(ctx, e, serving)
	}
	return errors.Join(err, s.Close())
}

// grant lets the role that signs in at that address serve.
func grant(ctx context.Context, owner *pg, serving string) error {
	c, err := pgx.Connect(ctx, serving)
	if err != nil {
		return fmt.Errorf("sign in as the role that serves: %w", err)
	}
	var role string
	err = c.QueryRow(ctx, `SELECT current_user`).Scan(&role)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		return fmt.Errorf("the role that serves: %w", err)
	}
	var schema string
	if err := owner.db.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return wrap(owner, err)
	}
	role, schema = pgx.Identifier{role}.Sanitize(), pgx.Identifier{schema}.Sanitize()
	for _, q := range []string{
		`GRANT USAGE ON SCHEMA %[1]s TO %[2]s`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[2]s`,
		`REVOKE INSERT, UPDATE, DELETE ON %[1]s.migrations FROM %[2]s`,
		`GRANT USAGE ON ALL SEQUENCES IN SCHEMA %[1]s TO %[2]s`,
	} {
		if _, err := owner.db.ExecContext(ctx, fmt.Sprintf(q, schema, role)); err != nil {
			return fmt.Errorf("let the role serve: %w", wrap(owner, err))
		}
	}
	return nil
}
