package store

import (
	"context"
	"fmt"
	"io/fs"
	"time"
)

// migrate applies, in the order of their names, the migrations that this
// database has not seen, each in one transaction with the row that records it.
func (s *Store) migrate(ctx context.Context) error {
	scripts, err := s.scripts()
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	names, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	err = s.Write(ctx, func(tx *Tx) error {
		_, err := tx.exec(`CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for i, name := range names {
		script, err := fs.ReadFile(scripts, name)
		if err != nil {
			return fmt.Errorf("read migration: %w", err)
		}
		if err := s.Write(ctx, func(tx *Tx) error { return tx.apply(i+1, string(script)) }); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return s.Write(ctx, func(tx *Tx) error {
		var newest int
		if err := tx.get([]any{&newest}, `SELECT COALESCE(MAX(version), 0) FROM migrations`); err != nil {
			return err
		}
		if newest > len(names) {
			return fmt.Errorf("the database is of version %d, this program knows up to %d: use a newer program", newest, len(names))
		}
		return nil
	})
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
	_, err := t.exec(`INSERT INTO migrations (version, applied) VALUES (?, ?)`, version, time.Now().Unix())
	return err
}
