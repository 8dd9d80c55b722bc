package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"runtime"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
	sys "golang.org/x/sys/unix"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// sqlite is a file: one connection writes, and several read.
type sqlite struct {
	writer, reader *sql.DB
	path           string
}

// errAlone: nobody else writes to the file.
var errAlone = errors.New("the database is one server's own")

func openSQLite(d driver.Driver, path string) *sqlite {
	s := &sqlite{
		path:   path,
		writer: sql.OpenDB(connector{d, dsn(path, "&_txlock=immediate")}),
		reader: sql.OpenDB(connector{d, dsn(path, "&_query_only=on")}),
	}
	s.writer.SetMaxOpenConns(1)
	s.reader.SetMaxOpenConns(2 + 2*runtime.NumCPU())
	s.reader.SetMaxIdleConns(2 + 2*runtime.NumCPU())
	return s
}

type connector struct {
	driver driver.Driver
	dsn    string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

func dsn(path string, more string) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path}
	return u.String() + "?_journal_mode=WAL&_foreign_keys=on&_busy_timeout=10000&_synchronous=FULL&_stmt_cache_size=128" + more
}

func (s *sqlite) begin(ctx context.Context, write bool) (transaction, error) {
	db, o := s.reader, &sql.TxOptions{ReadOnly: true}
	if write {
		db, o = s.writer, nil
	}
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return sqliteTx{tx}, nil
}

func (s *sqlite) ask(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.reader.QueryContext(ctx, query, args...)
}

func (s *sqlite) native(query string) string { return query }

func (s *sqlite) scripts() (fs.FS, error) { return fs.Sub(migrations, "migrations/sqlite") }

// A file has one server: nobody else is to be told, and its copies are told apart by their
// histories alone.
func (s *sqlite) announce(*Tx) error                   { return nil }
func (s *sqlite) listen(context.Context, func()) error { return errAlone }
func (s *sqlite) copied() string                       { return `''` }
func (s *sqlite) clock() string                        { return `0` }
func (s *sqlite) replication() string                  { return `0, 0` }
func (s *sqlite) hasColumn() string {
	return `SELECT EXISTS (SELECT 1 FROM pragma_table_info(?) WHERE name = ?)`
}
func (s *sqlite) patience() time.Duration { return 0 } // a busy file has its own

func (s *sqlite) shut() error { return errors.Join(s.reader.Close(), s.writer.Close()) }

func (s *sqlite) noSpace(full bool) bool {
	var fs sys.Statfs_t
	if err := sys.Statfs(s.path, &fs); err != nil {
		return full
	}
	return fs.Bavail == 0 || full && fs.Bavail*uint64(fs.Bsize) < 1<<20 //nolint:gosec // a block has a size
}

func (s *sqlite) told(err error) error {
	var e sqlite3.Error
	switch {
	case !errors.As(err, &e):
		return nil
	case e.Code == sqlite3.ErrFull || e.SystemErrno == syscall.ENOSPC:
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey:
		return fmt.Errorf("%w: %w", ErrExists, err)
	default:
		return nil
	}
}
