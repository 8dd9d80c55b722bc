// Package store keeps what the identity server knows: accounts, groups,
// credentials, machines, the change log and the audit log. It is the only
// package of the server that knows SQL.
//
// Everything happens in a transaction: [Store.Write] and [Store.Read] run a
// function on a [Tx], whose methods are the whole vocabulary; [Store.Once] does for a
// single query, which sees one moment by itself. What Write did is
// durable when it returns nil (SQLite WAL, synchronous=FULL; PostgreSQL by its
// synchronous_commit) and has not happened at all when it returns an error. One writer
// runs at a time in the whole realm; readers see one moment and never wait for it.
//
// It promises that no id is ever given out twice, that the audit log cannot be
// rewritten with these means, that revisions only grow and never meet those of another
// copy of the database (history.go), and that a name belongs
// to one account or one group. It decides nothing about people: who is let in is
// decided in package auth. No SQL leaves this package. It is written once, for SQLite and
// PostgreSQL both; what each does in its own way is an engine.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

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
	// ErrSpace says that a space of values has as many as it may.
	ErrSpace = errors.New("the space is full")
	// ErrUsedID says that an id was given out before, maybe to someone long gone.
	ErrUsedID = errors.New("the id was given out before")
	// ErrKeptID says that an id is kept for somebody whom a restored server does not know.
	ErrKeptID = errors.New("the id is kept for an account that this server has lost (\"realm histories\" lists such ids)")
	// ErrChanged says that what a decision rested on has changed meanwhile.
	ErrChanged = errors.New("changed meanwhile")
	// ErrTags says that a machine would have more tags than it may.
	ErrTags = errors.New("too many tags")
	// ErrStoredKeys says that a word is none for what becomes of stored ssh keys.
	ErrStoredKeys = errors.New("what becomes of stored ssh keys")
	// ErrBusyDatabase says that the database did not answer in time.
	ErrBusyDatabase = errors.New("the database does not answer in time")
	// ErrReadOnly says that nothing can be written here: this server only reads, or its
	// database follows another one.
	ErrReadOnly = errors.New("nothing can be changed at this server, which only reads")
	// ErrAudit says that the audit log's chain is broken.
	ErrAudit = errors.New("the audit log was tampered with")
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	engine
	// begun: this process has begun its history. full: the last write failed because the
	// disk was.
	begun, full atomic.Bool
	reads       bool // and writes nothing, whatever the database would let it
	recorded    atomic.Pointer[func(action string)]
	shared      shared
}

// over is a store on that database.
func over(e engine) *Store {
	s := &Store{engine: e}
	s.shared = newShared(s)
	return s
}

// engine is what one kind of database does in its own way. The SQL of this package is
// what SQLite and PostgreSQL both understand.
type engine interface {
	// begin begins a transaction: of writers there is one at a time in the whole realm, and
	// a reader sees one moment.
	begin(ctx context.Context, write bool) (transaction, error)
	// ask runs one query that changes nothing, in no transaction: it sees one moment by itself.
	ask(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// native is a statement with its parameters as the driver wants them.
	native(query string) string
	// told turns the driver's words into this package's errors; what it does not know stays.
	told(err error) error
	// scripts are the migrations, in the order of their names.
	scripts() (fs.FS, error)
	// announce tells all servers, once the transaction is committed, that there is news, and
	// listen calls woken for each time. clock and copied are expressions of SQL: the
	// database's clock in milliseconds, and a text that is another in each copy of it.
	announce(t *Tx) error
	listen(ctx context.Context, woken func()) error
	clock() string
	// replication are two expressions: whether nothing can be written because the database
	// follows another one, and what Replication.Heard says, in milliseconds.
	replication() string
	copied() string
	// hasColumn is a query for a table's name and a column's.
	hasColumn() string
	// patience bounds the wait for a transaction to begin; 0: nothing does.
	patience() time.Duration
	// noSpace tells whether there is room for a write; full, whether the last one found none.
	noSpace(full bool) bool
	shut() error
}

// Tx is one transaction. It belongs to the function it was given to.
type Tx struct {
	ctx    context.Context //nolint:containedctx // a Tx lives no longer than its function
	tx     transaction
	engine engine
	begun  bool     // the history of this process has begun, if this transaction is committed
	rows   []string // actions of rows of the audit log
	ours   ours
}

// Create makes a new database for that realm: a file, mode 0600, or tables where there are
// none in the PostgreSQL database of an address (postgres://…). It refuses a path that
// exists, and a database that holds a realm.
func Create(ctx context.Context, path string, r Realm) error {
	if isAddress(path) {
		return createPostgres(ctx, path, r)
	}
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
	return errors.Join(s.found(ctx, r), s.Close())
}

// found makes the realm in a database that has none.
func (s *Store) found(ctx context.Context, r Realm) error {
	return s.Write(ctx, func(tx *Tx) error { return tx.createRealm(r) })
}

// isAddress tells an address of a database server from the path of a file.
func isAddress(path string) bool {
	return strings.HasPrefix(path, "postgres://") || strings.HasPrefix(path, "postgresql://")
}

// Open opens an existing database, as [Create] has it. The tables of a file are brought up
// to date by it; those of PostgreSQL by [Migrate] alone, for which the error is ErrOld.
func Open(ctx context.Context, path string) (*Store, error) {
	if isAddress(path) {
		s, err := openAddress(ctx, path)
		if errors.Is(err, ErrOld) {
			err = fmt.Errorf("%w: run \"sallyport-server migrate\" once, whatever number of servers there is", err)
		}
		return s, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return opened(ctx, openSQLite(&sqlite3.SQLiteDriver{}, path))
}

// OpenReading opens the database of an address, and writes nothing to it.
func OpenReading(ctx context.Context, address string) (*Store, error) {
	if !isAddress(address) {
		return nil, errors.New("a server that only reads has a standby of PostgreSQL: postgres://HOST/NAME")
	}
	s, err := openAddress(ctx, address)
	if err != nil {
		return nil, err
	}
	s.reads = true
	return s, nil
}

// opened opens what nobody else uses, and brings it up to date.
func opened(ctx context.Context, e engine) (*Store, error) {
	s := over(e)
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the database.
func (s *Store) Close() error {
	if err := s.shut(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Write runs f in a transaction that is committed when f returns nil, and undone
// when it returns an error or panics.
func (s *Store) Write(ctx context.Context, f func(*Tx) error) error {
	if s.reads {
		return ErrReadOnly
	}
	err := s.within(ctx, true, f)
	if full := errors.Is(err, ErrNoSpace); full || err == nil {
		s.full.Store(full)
	}
	return err
}

// NoSpace tells whether the disk has no room for a write.
func (s *Store) NoSpace() bool { return s.noSpace(s.full.Load()) }

// Read runs f on one moment's state, which it cannot change.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	return s.within(ctx, false, f)
}

func (s *Store) within(ctx context.Context, write bool, f func(*Tx) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tx, err := s.inTime(ctx, cancel, write)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// After a commit this does nothing; on every other way out it undoes.
	defer func() { _ = tx.Rollback() }()
	t := &Tx{ctx: ctx, tx: tx, engine: s.engine, begun: s.begun.Load(), ours: ours{alone: write}}
	if err := f(t); err != nil {
		return err
	}
	if err := tx.commit(ctx, t.ours.waiting); err != nil {
		return fmt.Errorf("commit: %w", wrap(s.engine, err))
	}
	if t.begun {
		s.begun.Store(true)
	}
	if f := s.recorded.Load(); f != nil {
		for _, action := range t.rows {
			(*f)(action)
		}
	}
	return nil
}

// OnRecord has f called for each row of the audit log that this process has written.
func (s *Store) OnRecord(f func(action string)) { s.recorded.Store(&f) }

// inTime begins a transaction, with as much patience as the engine has. cancel ends ctx,
// which the transaction lives in.
func (s *Store) inTime(ctx context.Context, cancel func(), write bool) (transaction, error) {
	if s.patience() > 0 {
		late := time.AfterFunc(s.patience(), cancel)
		defer late.Stop()
	}
	tx, err := s.begin(ctx, write)
	if err == nil {
		return tx, nil
	}
	if ctx.Err() != nil {
		err = errors.Join(ErrBusyDatabase, err)
	}
	return nil, wrap(s.engine, err)
}

// exec runs one statement and tells how many rows it changed.
func (t *Tx) exec(query string, args ...any) (int64, error) {
	if err := t.catchUp(); err != nil {
		return 0, err
	}
	res, err := t.tx.ExecContext(t.ctx, t.engine.native(query), plain(args)...)
	if err != nil {
		return 0, t.wrap(err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, t.wrap(err)
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
	rows, err := t.query(query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return t.wrap(err)
		}
		return identity.ErrNotFound
	}
	if err := rows.Scan(into...); err != nil {
		return t.wrap(err)
	}
	return t.wrap(rows.Close())
}

// each calls scan for every row.
func (t *Tx) each(scan func(row *sql.Rows) error, query string, args ...any) error {
	rows, err := t.query(query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return t.wrap(err)
		}
	}
	return t.wrap(rows.Err())
}

func (t *Tx) query(query string, args ...any) (*sql.Rows, error) {
	if err := t.catchUp(); err != nil {
		return nil, err
	}
	rows, err := t.tx.QueryContext(t.ctx, t.engine.native(query), plain(args)...)
	return rows, t.wrap(err)
}

// plain has yes and no as numbers, which is how the tables have them.
func plain(args []any) []any {
	for i, a := range args {
		if b, is := a.(bool); is {
			args[i] = map[bool]int64{true: 1}[b]
		}
	}
	return args
}

func (t *Tx) wrap(err error) error { return wrap(t.engine, err) }

// wrap turns the driver's words into this package's.
func wrap(e engine, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return identity.ErrNotFound
	}
	if told := e.told(err); told != nil {
		return told
	}
	return fmt.Errorf("database: %w", err)
}
