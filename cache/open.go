package cache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/sallyport-auth/sallyport/identity"
)

// Errors that callers decide on. A missing row is [identity.ErrNotFound].
var (
	// ErrFull says that the disk is: nothing was written, reading goes on.
	ErrFull = errors.New("the disk is full")
	// errDamaged says that a database cannot be used and must be moved aside.
	errDamaged = errors.New("damaged database")
)

// Options for [Open]. The zero value is usable.
type Options struct {
	Log *slog.Logger     // nil: the default logger
	Now func() time.Time // nil: time.Now; only names what is moved aside
}

// Cache is an open database. It is safe for concurrent use.
type Cache struct {
	db      *sql.DB
	path    string
	rebuilt string
	log     *slog.Logger
	// scrub is set while deleted secrets may still lie in the log file.
	scrub atomic.Bool
}

// Open opens or makes the database at path, mode 0600. Its folder is made with
// mode 0700 when it is missing. A damaged database is moved aside, see
// [Cache.Rebuilt]; an error means that not even a new one could be made.
func Open(ctx context.Context, path string, o Options) (*Cache, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	c, err := open(ctx, path, o.Log)
	if !errors.Is(err, errDamaged) {
		return c, err
	}
	aside, merr := moveAside(path, o.Now())
	if merr != nil {
		return nil, fmt.Errorf("move damaged cache aside: %w", errors.Join(merr, err))
	}
	o.Log.ErrorContext(ctx, "the cache was damaged; it was moved aside and a new one begun: "+
		"people must sign in online once before they can offline", "aside", aside, "reason", err)
	if c, err = open(ctx, path, o.Log); err != nil {
		return nil, err
	}
	c.rebuilt = aside
	return c, nil
}

func open(ctx context.Context, path string, log *slog.Logger) (*Cache, error) {
	// Made here and not by SQLite, so that it never has a wider mode; the log
	// and index files take theirs from it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	db, err := sql.Open("sqlite3", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	db.SetMaxOpenConns(1)
	c := &Cache{db: db, path: path, log: log}
	if err := c.prepare(ctx); err != nil {
		_ = db.Close()
		return nil, classify("open cache", err)
	}
	return c, nil
}

func dsn(path string) string {
	q := url.Values{
		"_journal_mode":  {"WAL"},
		"_synchronous":   {"FULL"},
		"_secure_delete": {"true"},
		"_foreign_keys":  {"true"},
		"_busy_timeout":  {"5000"},
		"_txlock":        {"immediate"},
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// prepare checks, migrates, compares the shape, and finishes a deletion that a
// crash may have interrupted.
func (c *Cache) prepare(ctx context.Context) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return err //nolint:wrapcheck // classified by the caller
	}
	defer conn.Close() //nolint:errcheck // back to the pool
	var verdict string
	if err := conn.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err //nolint:wrapcheck // classified by the caller
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, verdict)
	}
	if err := migrate(ctx, conn); err != nil {
		return err
	}
	if err := checkShape(ctx, conn); err != nil {
		return err
	}
	return checkpoint(ctx, conn)
}

// checkShape compares the schema with that of a database made afresh.
func checkShape(ctx context.Context, conn *sql.Conn) error {
	mem, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		return err //nolint:wrapcheck // classified by the caller
	}
	defer mem.Close() //nolint:errcheck // in memory
	mem.SetMaxOpenConns(1)
	fresh, err := mem.Conn(ctx)
	if err != nil {
		return err //nolint:wrapcheck // classified by the caller
	}
	defer fresh.Close() //nolint:errcheck // in memory
	if err := migrate(ctx, fresh); err != nil {
		return err
	}
	want, err := shape(ctx, fresh)
	if err != nil {
		return err
	}
	got, err := shape(ctx, conn)
	if err != nil {
		return err
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("%w: its tables are not ours", errDamaged)
	}
	return nil
}

func shape(ctx context.Context, conn *sql.Conn) ([]string, error) {
	rows, err := conn.QueryContext(ctx, `SELECT name || coalesce(sql, '') FROM sqlite_master ORDER BY 1`)
	if err != nil {
		return nil, err //nolint:wrapcheck // classified by the caller
	}
	defer rows.Close() //nolint:errcheck // its error is rows.Err
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err //nolint:wrapcheck // classified by the caller
		}
		all = append(all, s)
	}
	return all, rows.Err() //nolint:wrapcheck // classified by the caller
}

// moveAside renames the database and its companions. The log must not stay: it
// would be replayed into the new file.
func moveAside(path string, now time.Time) (string, error) {
	suffix := ".damaged-" + now.UTC().Format("20060102T150405.000Z")
	for _, ext := range []string{"-wal", "-shm", ""} {
		err := os.Rename(path+ext, path+suffix+ext)
		if err != nil && (ext == "" || !errors.Is(err, os.ErrNotExist)) {
			return "", err //nolint:wrapcheck // the caller says what for
		}
	}
	return path + suffix, nil
}

// classify gives SQLite's errors the names that callers decide on.
func classify(what string, err error) error {
	var se sqlite3.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, identity.ErrNotFound)
	case errors.Is(err, errVersion):
		return fmt.Errorf("%s: %w: %w", what, errDamaged, err)
	case errors.As(err, &se) && se.Code == sqlite3.ErrFull:
		return fmt.Errorf("%s: %w: %w", what, ErrFull, err)
	case errors.As(err, &se) && (se.Code == sqlite3.ErrNotADB || se.Code == sqlite3.ErrCorrupt):
		return fmt.Errorf("%s: %w: %w", what, errDamaged, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// checkpoint moves the log into the database and cuts it to nothing.
func checkpoint(ctx context.Context, q execer) error {
	var busy, frames, moved int
	if err := q.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if busy != 0 {
		return errors.New("checkpoint: another program is reading the database")
	}
	return nil
}

// write runs f in one transaction. Only a nil error means that it is on disk.
func (c *Cache) write(ctx context.Context, what string, f func(*sql.Tx) error) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return classify(what, err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return classify(what, err)
	}
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback()
		return classify(what, err)
	}
	if c.scrub.Load() {
		return c.scrubLog(ctx)
	}
	return nil
}

// scrubLog empties the log after a secret was deleted. It is tried again with
// the next write until it succeeds, and at the next Open.
func (c *Cache) scrubLog(ctx context.Context) error {
	if err := checkpoint(ctx, c.db); err != nil {
		c.log.ErrorContext(ctx, "deleted secrets still lie in the cache's log file; trying again at the next write",
			"file", c.path+"-wal", "error", err)
		return classify("scrub cache", err)
	}
	c.scrub.Store(false)
	return nil
}

// Rebuilt is where a damaged database was moved by [Open], "" when none was.
func (c *Cache) Rebuilt() string { return c.rebuilt }

// Path is the database file.
func (c *Cache) Path() string { return c.path }

// Close ends every use of the database.
func (c *Cache) Close() error { return classify("close cache", c.db.Close()) }
