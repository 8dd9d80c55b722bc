// Package store keeps what the identity server knows: accounts, groups,
// credentials, machines, the change log and the audit log. It is the only
// package of the server that knows SQL.
//
// Everything happens in a transaction: [Store.Write] and [Store.Read] run a
// function on a [Tx], whose methods are the whole vocabulary. What Write did is
// durable when it returns nil (SQLite WAL, synchronous=FULL) and has not
// happened at all when it returns an error. One writer runs at a time; readers
// see one moment and never wait for it.
//
// It promises that no id is ever given out twice, that the audit log cannot be
// rewritten with these means, that revisions only grow and never meet those of another
// copy of the database (history.go), and that a name belongs
// to one account or one group. It decides nothing about people: who is let in is
// decided in package auth. No SQL leaves this package, so another database can
// take SQLite's place behind the same methods.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/mattn/go-sqlite3"
	sys "golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
)

// Errors that callers decide on. A missing thing is identity.ErrNotFound.
var (
	// ErrExists says that the name, id, tag or key is taken.
	ErrExists = errors.New("exists already")
	// ErrCycle says that a group would contain itself.
	ErrCycle = errors.New("a group cannot contain itself")
	// ErrFull says that the realm's id range is used up.
	ErrFull = errors.New("the realm's id range is used up")
	// ErrNoSpace says that the disk is full: nothing was written, reading goes on.
	ErrNoSpace = errors.New("the disk is full")
	// ErrUsedID says that an id was given out before, maybe to someone long gone.
	ErrUsedID = errors.New("the id was given out before")
	// ErrKeptID says that an id is kept for somebody whom a restored server does not know.
	ErrKeptID = errors.New("the id is kept for an account that this server has lost (\"realm histories\" lists such ids)")
	// ErrChanged says that what a decision rested on has changed meanwhile.
	ErrChanged = errors.New("changed meanwhile")
	// ErrAudit says that the audit log's chain is broken.
	ErrAudit = errors.New("the audit log was tampered with")
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	writer, reader *sql.DB
	// begun: this process has begun its history.
	begun atomic.Bool
	path  string
	// full: the last write failed because the disk was.
	full atomic.Bool
}

// Tx is one transaction. It belongs to the function it was given to.
type Tx struct {
	ctx   context.Context //nolint:containedctx // a Tx lives no longer than its function
	tx    *sql.Tx
	begun bool // the history of this process has begun, if this transaction is committed
}

type connector struct {
	driver driver.Driver
	dsn    string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

func dsn(path string, more string) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path}
	return u.String() + "?_journal_mode=WAL&_foreign_keys=on&_busy_timeout=10000&_synchronous=FULL" + more
}

// Create makes a new database file, mode 0600, for that realm. It refuses a path
// that exists.
func Create(ctx context.Context, path string, r Realm) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	err = s.Write(ctx, func(tx *Tx) error { return tx.createRealm(r) })
	return errors.Join(err, s.Close())
}

// Open opens an existing database and brings its tables up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return open(ctx, &sqlite3.SQLiteDriver{}, path)
}

func open(ctx context.Context, d driver.Driver, path string) (*Store, error) {
	s := &Store{
		path:   path,
		writer: sql.OpenDB(connector{d, dsn(path, "&_txlock=immediate")}),
		reader: sql.OpenDB(connector{d, dsn(path, "&_query_only=on")}),
	}
	s.writer.SetMaxOpenConns(1)
	s.reader.SetMaxOpenConns(2 + 2*runtime.NumCPU())
	s.reader.SetMaxIdleConns(2 + 2*runtime.NumCPU())
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error {
	if err := errors.Join(s.reader.Close(), s.writer.Close()); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Write runs f in a transaction that is committed when f returns nil, and undone
// when it returns an error or panics.
func (s *Store) Write(ctx context.Context, f func(*Tx) error) error {
	err := within(ctx, s, s.writer, nil, f)
	if full := errors.Is(err, ErrNoSpace); full || err == nil {
		s.full.Store(full)
	}
	return err
}

// NoSpace tells whether the disk has no room for a write.
func (s *Store) NoSpace() bool {
	var fs sys.Statfs_t
	if err := sys.Statfs(s.path, &fs); err != nil {
		return s.full.Load()
	}
	return fs.Bavail == 0 || s.full.Load() && fs.Bavail*uint64(fs.Bsize) < 1<<20 //nolint:gosec // a block has a size
}

// Read runs f on one moment's state, which it cannot change.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	return within(ctx, s, s.reader, &sql.TxOptions{ReadOnly: true}, f)
}

func within(ctx context.Context, s *Store, db *sql.DB, opts *sql.TxOptions, f func(*Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// After a commit this does nothing; on every other way out it undoes.
	defer func() { _ = tx.Rollback() }()
	t := &Tx{ctx: ctx, tx: tx, begun: s.begun.Load()}
	if err := f(t); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", wrap(err))
	}
	if t.begun {
		s.begun.Store(true)
	}
	return nil
}

// exec runs one statement and tells how many rows it changed.
func (t *Tx) exec(query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, wrap(err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, wrap(err)
	}
	return n, nil
}

// one runs a statement that must change exactly one row.
func (t *Tx) one(query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err == nil && n != 1 {
		return identity.ErrNotFound
	}
	return err
}

// get scans one row; no row is identity.ErrNotFound.
func (t *Tx) get(into []any, query string, args ...any) error {
	return wrap(t.tx.QueryRowContext(t.ctx, query, args...).Scan(into...))
}

// each calls scan for every row.
func (t *Tx) each(scan func(row *sql.Rows) error, query string, args ...any) error {
	rows, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return wrap(err)
		}
	}
	return wrap(rows.Err())
}

// wrap turns the driver's words into this package's.
func wrap(err error) error {
	var e sqlite3.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return identity.ErrNotFound
	case errors.As(err, &e) && (e.Code == sqlite3.ErrFull || e.SystemErrno == syscall.ENOSPC):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case errors.As(err, &e) && (e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey):
		return fmt.Errorf("%w: %w", ErrExists, err)
	default:
		return fmt.Errorf("database: %w", err)
	}
}
