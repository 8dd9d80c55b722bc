package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	sys "golang.org/x/sys/unix"
)

// Codes of PostgreSQL's errors (appendix A of its manual).
const (
	pgUnique   = "23505"
	pgDiskFull = "53100"
	pgShutdown = "57P" // its beginning
	pgTooMany  = "53300"
	// A statement was prepared on a connection that a pooler gave to somebody else.
	pgPreparedTwice = "42P05"
	pgNotPrepared   = "26000"
	pgReadOnly      = "25006"
)

// pg is a database that several servers share.
type pg struct {
	config *pgx.ConnConfig
	db     *sql.DB
	conns  int // most connections
}

// openAddress opens a database whose tables are there and up to date.
func openAddress(ctx context.Context, address string) (*Store, error) {
	e, err := openPostgres(address)
	if err != nil {
		return nil, err
	}
	s := over(e)
	list, err := s.scriptList()
	if err == nil {
		err = s.check(ctx, len(list))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// How long a database may keep a server waiting. One that is cut off by the network is
// noticed by TCP itself.
const (
	pgPatience = 10 * time.Second
	pgSilence  = 10 * time.Second
	pgRetry    = 20 * time.Millisecond
)

func (p *pg) patience() time.Duration { return pgPatience }

func (p *pg) hasColumn() string {
	return `SELECT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ? AND column_name = ?)`
}

// dialer connects, and gives a connection up that is silent while something is to be sent.
func dialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         pgSilence,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pgSilence / 2, Interval: pgSilence / 5, Count: 3},
		Control: func(network, _ string, c syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			var failed error
			err := c.Control(func(fd uintptr) {
				failed = sys.SetsockoptInt(int(fd), sys.IPPROTO_TCP, sys.TCP_USER_TIMEOUT, int(pgSilence.Milliseconds()))
			})
			return errors.Join(err, failed)
		},
	}
}

// createPostgres makes a realm in a database that has none.
func createPostgres(ctx context.Context, address string, r Realm) error {
	if err := Migrate(ctx, address, address); err != nil {
		return err
	}
	s, err := openAddress(ctx, address)
	if err != nil {
		return err
	}
	err = s.found(ctx, r)
	if errors.Is(err, ErrExists) {
		err = fmt.Errorf("the database holds a realm, which %w: to have another server of it, give the seal.key of one of its servers with --seal-key FILE", ErrExists)
	}
	return errors.Join(err, s.Close())
}

// CheckAddress refuses an address that nobody may write into a file that is no secret.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || !isAddress(address) {
		return errors.New("the address of a database is postgres://HOST/NAME")
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return errors.New("the password of the database does not belong into its address: put it into a file and name that with ?passfile=PATH, or use ?service=NAME (libpq's pg_service.conf)")
	}
	return nil
}

func openPostgres(address string) (*pg, error) {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err) // pgx leaves the password out
	}
	c.DialFunc = dialer().DialContext
	pool := c.Copy()
	// Behind a pooler a connection may get what another one listens for.
	pool.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	p := &pg{config: c, db: stdlib.OpenDB(*pool), conns: 4 + 2*runtime.NumCPU()}
	p.db.SetMaxOpenConns(p.conns)
	p.db.SetMaxIdleConns(p.conns)
	return p, nil
}

// gone tells whether the server said that it ends.
func gone(e *pgconn.PgError) bool { return strings.HasPrefix(e.Code, pgShutdown) }

// native numbers the parameters. No statement of this package has a "?" in a text.
func (p *pg) native(query string) string {
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

func (p *pg) scripts() (fs.FS, error) { return fs.Sub(migrations, "migrations/postgres") }

// channel is where servers of the realm tell each other of news.
const channel = `'sallyport_' || current_schema()`

func (p *pg) announce(t *Tx) error {
	_, err := t.exec(`SELECT pg_notify(` + channel + `, '')`)
	return err
}

// copied names the cluster, the timeline of its log, and the database in it. A standby that
// is promoted, and a cluster that is recovered to an earlier point, begin another timeline
// (PostgreSQL's manual, section 26.3.6); what pg_dump made is another database.
func (p *pg) copied() string {
	return `(SELECT system_identifier FROM pg_control_system()) || '/' || CASE WHEN pg_is_in_recovery() THEN 'standby'
		ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())`
}

func (p *pg) clock() string { return `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)` }

// replication goes by the newest commit that was heard: each full server writes twice a
// minute, so while one is there it is recent.
func (p *pg) replication() string {
	return `CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END, COALESCE(CAST(EXTRACT(EPOCH FROM pg_last_xact_replay_timestamp()) * 1000 AS BIGINT), 0)`
}

// listen uses a connection of its own. Behind a pooler that shares connections between
// transactions it hears nothing, and on a standby nothing is said.
func (p *pg) listen(ctx context.Context, woken func()) error {
	c, err := pgx.ConnectConfig(ctx, p.config.Copy())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var name string
	if err := c.QueryRow(ctx, `SELECT quote_ident(`+channel+`)`).Scan(&name); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if _, err := c.Exec(ctx, `LISTEN `+name); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		if _, err := c.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		woken()
	}
}

func (p *pg) shut() error { return p.db.Close() }

// noSpace knows of the database's disk what the last write met.
func (p *pg) noSpace(full bool) bool { return full }

func (p *pg) told(err error) error {
	var e *pgconn.PgError
	switch {
	case !errors.As(err, &e):
		return nil
	case e.Code == pgUnique:
		return fmt.Errorf("%w: %w", ErrExists, err)
	case e.Code == pgPreparedTwice || e.Code == pgNotPrepared:
		return fmt.Errorf("database: %w: behind a pooler that shares connections, add default_query_exec_mode=exec to the address", err)
	case e.Code == pgReadOnly:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case e.Code == pgDiskFull:
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	default:
		return nil
	}
}
