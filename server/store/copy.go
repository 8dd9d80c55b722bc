package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// Copy writes the database at one moment to a new file, 0600, of SQLite. Other processes may
// be writing to it. Nothing in it is changed: a file may be of an older version.
func Copy(ctx context.Context, from, to string) error {
	if isAddress(from) {
		return copyAddress(ctx, from, to)
	}
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	db := sql.OpenDB(connector{&sqlite3.SQLiteDriver{}, dsn(from, "")})
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	f, err = os.OpenFile(to, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}

// copyAddress copies what is in PostgreSQL row by row.
func copyAddress(ctx context.Context, from, to string) error {
	source, err := openAddress(ctx, from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	target, err := opened(ctx, openSQLite(&sqlite3.SQLiteDriver{}, to))
	if err != nil {
		return err
	}
	err = source.Read(ctx, func(tx *Tx) error {
		return target.Write(ctx, func(into *Tx) error {
			if _, err := into.exec(`DELETE FROM audit_base`); err != nil { // the migration made its first row
				return err
			}
			for _, table := range tables {
				if err := tx.insertInto(into, table.name); err != nil {
					return fmt.Errorf("copy %s: %w", table.name, err)
				}
			}
			return nil
		})
	})
	return errors.Join(err, target.Close())
}

func (t *Tx) insertInto(into *Tx, table string) error {
	rows, err := t.tx.QueryContext(t.ctx, `SELECT * FROM `+table)
	if err != nil {
		return t.wrap(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return t.wrap(err)
	}
	insert := `INSERT INTO ` + table + ` (` + strings.Join(columns, ", ") + `) VALUES (?` + strings.Repeat(", ?", len(columns)-1) + `)`
	r := &rowsToCopy{rows: rows, values: make([]any, len(columns))}
	for r.Next() {
		values, err := r.Values()
		if err != nil {
			return err
		}
		if _, err := into.exec(insert, values...); err != nil {
			return err
		}
	}
	return t.wrap(rows.Err())
}
