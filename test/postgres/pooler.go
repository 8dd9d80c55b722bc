package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooler is a PgBouncer of the distribution in front of a server, which shares connections
// between transactions.
type Pooler struct {
	server  *Server
	dir     string
	process *exec.Cmd
	ended   chan error
}

// pooled is its settings. Few connections, so that they are shared in earnest.
const pooled = `[databases]
postgres = host=%[1]s dbname=postgres user=postgres connect_query='SET search_path TO %[3]s'
[pgbouncer]
listen_addr =
unix_socket_dir = %[2]s
listen_port = 6432
auth_type = any
pool_mode = transaction
max_client_conn = 200
default_pool_size = 3
logfile = %[2]s/log
`

// Pooler starts one before the schema of an address, and waits until it answers.
func (s *Server) Pooler(ctx context.Context, address string) (*Pooler, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	p := &Pooler{server: s}
	if p.dir, err = os.MkdirTemp("", "sallyport-pool-"); err != nil {
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	settings := fmt.Sprintf(pooled, s.dir, p.dir, u.Query().Get("search_path"))
	if err := os.WriteFile(filepath.Join(p.dir, "pgbouncer.ini"), []byte(settings), 0o644); err != nil {
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	if s.as != nil {
		if err := os.Chown(p.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, fmt.Errorf("start pgbouncer: %w", err)
		}
	}
	return p, p.Run(ctx)
}

// Address is the database through it, as docs/server.md has it.
func (p *Pooler) Address() string {
	q := url.Values{"host": {p.dir}, "port": {"6432"}, "user": {owner}, "sslmode": {"disable"}, "default_query_exec_mode": {"exec"}}
	return "postgres:///postgres?" + q.Encode()
}

// Run starts it again.
func (p *Pooler) Run(ctx context.Context) error {
	c := exec.CommandContext(context.WithoutCancel(ctx), "/usr/sbin/pgbouncer", "-q", filepath.Join(p.dir, "pgbouncer.ini"))
	c.Dir = p.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: p.server.as, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	p.ended = make(chan error, 1)
	go func() {
		// The kernel ends it with the thread that began it, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			p.ended <- c.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start pgbouncer (sudo make deps-test): %w", err)
	}
	p.process = c
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := pgx.Connect(ctx, p.Address())
		if err == nil {
			return conn.Close(ctx)
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			return fmt.Errorf("pgbouncer does not answer: %w: %s", err, text)
		}
	}
}

// Kill ends it as kill -9 does, and leaves no socket that is in the way.
func (p *Pooler) Kill() error {
	err := p.process.Process.Kill()
	var exit *exec.ExitError
	if werr := <-p.ended; !errors.As(werr, &exit) {
		err = errors.Join(err, werr)
	}
	return errors.Join(err, os.Remove(filepath.Join(p.dir, ".s.PGSQL.6432")))
}

// Stop ends it and removes its folder.
func (p *Pooler) Stop() error { return errors.Join(p.Kill(), os.RemoveAll(p.dir)) }
