package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

var errInjected = errors.New("injected fault")

// faulty is SQLite whose n-th statement or COMMIT from now fails.
type faulty struct {
	driver.Driver
	mu   sync.Mutex
	left int64 // 0: never
	hit  bool
}

func (f *faulty) arm(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.hit = n, false
}

func (f *faulty) disarm() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = 0
	return f.hit
}

func (f *faulty) fault() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return nil
	}
	if f.left--; f.left == 0 {
		f.hit = true
		return errInjected
	}
	return nil
}

func (f *faulty) Open(name string) (driver.Conn, error) {
	c, err := f.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, f: f}, nil
}

type faultyConn struct {
	driver.Conn
	f *faulty
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &faultyTx{tx, c.f}, nil
}

func (c *faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.f.fault(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.f.fault(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
}

type faultyTx struct {
	driver.Tx
	f *faulty
}

func (t *faultyTx) Commit() error {
	if err := t.f.fault(); err != nil {
		// As SQLite does when a commit fails for good: nothing of it remains.
		return errors.Join(err, t.Rollback())
	}
	return t.Tx.Commit()
}

// dump is the whole database as text.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var out strings.Builder
	for _, table := range all(t, s, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		for _, row := range all(t, s, `SELECT * FROM `+table) {
			out.WriteString(table + " " + row + "\n")
		}
	}
	return out.String()
}

// all returns the rows of a query, each with its columns side by side.
func all(t *testing.T, s *Store, query string) []string {
	t.Helper()
	rows, err := s.engine.(*sqlite).reader.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = fmt.Sprint(*v.(*any))
		}
		list = append(list, strings.Join(words, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
