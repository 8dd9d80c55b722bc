// Package postgres starts a real PostgreSQL of the distribution for tests, in a folder of
// its own, on a socket of its own. It listens on no network.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running PostgreSQL.
type Server struct {
	dir     string
	bin     string
	as      *syscall.Credential // nil: who runs the test
	process *exec.Cmd
	ended   chan error
	schemas atomic.Int64
}

// owner is whom the distribution's server runs as: PostgreSQL refuses to run as root.
const owner = "postgres"

// Start makes a cluster and waits until it answers.
func Start(ctx context.Context) (*Server, error) {
	s, err := prepared()
	if err != nil {
		return nil, err
	}
	if out, err := s.command(ctx, "initdb", initdb(s.dir)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.Run(ctx)
}

func initdb(dir string) []string {
	return []string{"-D", filepath.Join(dir, "data"), "-U", owner, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}
}

// prepared is one with a folder, and nothing in it.
func prepared() (*Server, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(errors.New("no PostgreSQL is installed: sudo make deps-test"), err)
	}
	slices.Sort(found)
	s := &Server{bin: found[len(found)-1]}
	if s.dir, err = os.MkdirTemp("", "sallyport-pg-"); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if os.Geteuid() == 0 {
		u, err := user.Lookup(owner)
		if err != nil {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(s.dir, int(uid), int(gid))); err != nil {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return s, nil
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	return c
}

// Run starts the server of the cluster again.
func (s *Server) Run(ctx context.Context) error {
	return s.serve(ctx, s.command(context.WithoutCancel(ctx), "postgres", s.options()...))
}

// options have what is committed reach the kernel by the commit itself and by nothing else, so
// that a crash loses what was acknowledged too early. What the kernel has, the end of a
// process does not lose: so fsync, which a power cut would need, is off.
func (s *Server) options() []string {
	return []string{"-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "fsync=off", "-c", "wal_writer_delay=10s"}
}

// serve runs a command that becomes the server, and waits until that answers.
func (s *Server) serve(ctx context.Context, c *exec.Cmd) error {
	s.process = c
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.process.Stdout, s.process.Stderr = log, log
	started := make(chan error, 1)
	s.ended = make(chan error, 1)
	go func() {
		// The kernel ends the server with the thread that began it, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.process.Start()
		started <- err
		if err == nil {
			s.ended <- s.process.Wait()
		}
	}()
	if err := errors.Join(<-started, log.Close()); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c, err := pgx.Connect(ctx, s.Address(""))
		if err == nil {
			return c.Close(ctx)
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("postgres does not answer: %w: %s", err, text)
		}
	}
}

// Address is how the database is reached; tables are looked for in that schema.
func (s *Server) Address(schema string) string {
	q := url.Values{"host": {s.dir}, "user": {owner}, "sslmode": {"disable"}}
	if schema != "" {
		q.Set("search_path", schema)
	}
	return "postgres:///postgres?" + q.Encode()
}

// Schema makes an empty one, and returns its address: to a test it is a database.
func (s *Server) Schema(ctx context.Context) (string, error) {
	c, err := pgx.Connect(ctx, s.Address(""))
	if err != nil {
		return "", fmt.Errorf("make a schema: %w", err)
	}
	name := fmt.Sprintf("t%d", s.schemas.Add(1))
	_, err = c.Exec(ctx, "CREATE SCHEMA "+name)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		return "", fmt.Errorf("make a schema: %w", err)
	}
	return s.Address(name), nil
}

// Kill ends the server as a crash does. One that has ended stays as it is.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	err := s.process.Process.Signal(syscall.SIGQUIT)
	s.process = nil
	var exit *exec.ExitError
	if werr := <-s.ended; !errors.As(werr, &exit) {
		err = errors.Join(err, werr)
	}
	return err
}

// Stop ends the server and removes the cluster.
func (s *Server) Stop() error { return errors.Join(s.Kill(), os.RemoveAll(s.dir)) }
