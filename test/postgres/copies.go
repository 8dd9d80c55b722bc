package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Dump copies the schema of an address with pg_dump into another database of the cluster,
// and returns its address.
func (s *Server) Dump(ctx context.Context, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("dump: %w", err)
	}
	name := fmt.Sprintf("d%d", s.schemas.Add(1))
	file := filepath.Join(s.dir, name+".sql")
	schema := u.Query().Get("search_path")
	for _, c := range [][]string{
		{"createdb", "-h", s.dir, "-U", owner, name},
		{"pg_dump", "-h", s.dir, "-U", owner, "-n", schema, "-f", file, "postgres"},
		{"psql", "-h", s.dir, "-U", owner, "-q", "-v", "ON_ERROR_STOP=1", "-f", file, name},
	} {
		if out, err := s.command(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", c[0], err, out)
		}
	}
	u.Path = "/" + name
	return u.String(), nil
}

// Standby makes one of a running cluster, which follows it from then on (asynchronously).
func (s *Server) Standby(ctx context.Context) (*Server, error) {
	dir, err := os.MkdirTemp("", "sallyport-pg-")
	if err != nil {
		return nil, fmt.Errorf("standby: %w", err)
	}
	o := &Server{dir: dir, bin: s.bin, as: s.as}
	if s.as != nil {
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, fmt.Errorf("standby: %w", err)
		}
	}
	if out, err := s.command(ctx, "pg_basebackup", "-h", s.dir, "-U", owner, "-D", filepath.Join(dir, "data"), "-R", "-c", "fast", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	return o, o.Run(ctx)
}

// Or is the same database at whichever of the two is the primary.
func (s *Server) Or(o *Server, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("host", s.dir+","+o.dir)
	q.Set("target_session_attrs", "read-write")
	u.RawQuery = q.Encode()
	return u.String()
}

// Freeze cuts a standby off from its primary: what that writes from then on it never gets.
func (s *Server) Freeze(ctx context.Context) error {
	if err := s.run(ctx, `ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`); err != nil {
		return err
	}
	return s.until(ctx, `SELECT NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)`)
}

// Promote makes a standby a primary, and waits until it is one.
func (s *Server) Promote(ctx context.Context) error { return s.run(ctx, `SELECT pg_promote(true, 60)`) }

// Caught waits until a standby has all that the primary has.
func (s *Server) Caught(ctx context.Context, primary *Server) error {
	var lsn string
	c, err := pgx.Connect(ctx, primary.Address(""))
	if err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	err = c.QueryRow(ctx, `SELECT pg_current_wal_lsn()::text`).Scan(&lsn)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	return s.until(ctx, `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, lsn)
}

// until waits until the query says yes.
func (s *Server) until(ctx context.Context, query string, args ...any) error {
	c, err := pgx.Connect(ctx, s.Address(""))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = c.Close(ctx) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var yes bool
		if err := c.QueryRow(ctx, query, args...).Scan(&yes); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		if yes {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("it never comes true: %s", query)
		}
	}
}

func (s *Server) run(ctx context.Context, statements ...string) error {
	c, err := pgx.Connect(ctx, s.Address(""))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = c.Close(ctx) }()
	for _, q := range statements {
		if _, err := c.Exec(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", strings.Fields(q)[0], err)
		}
	}
	return nil
}

// Suspend stops all processes of the server where they stand, as a machine that hangs, or a
// network that swallows everything, looks from outside.
func (s *Server) Suspend() error { return s.signal(syscall.SIGSTOP) }

// Resume lets them go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	pid := s.process.Process.Pid
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return fmt.Errorf("processes of postgres: %w", err)
	}
	err = syscall.Kill(pid, sig) // first, so that it makes no new ones
	for _, f := range strings.Fields(string(b)) {
		child, perr := strconv.Atoi(f)
		if perr != nil {
			return fmt.Errorf("processes of postgres: %w", perr)
		}
		if kerr := syscall.Kill(child, sig); kerr != nil && !errors.Is(kerr, syscall.ESRCH) {
			err = errors.Join(err, kerr)
		}
	}
	if err != nil {
		return fmt.Errorf("signal postgres: %w", err)
	}
	return nil
}

// Same is that database at this server.
func (s *Server) Same(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("host", s.dir)
	u.RawQuery = q.Encode()
	return u.String()
}
