package module_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/pam"
	"github.com/sallyport-auth/sallyport/wire"
)

// decide is an authority made of one function.
type decide func(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict

func (d decide) Decide(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict {
	return d(ctx, l, conv)
}

// always gives one verdict.
func always(v identity.Verdict) decide {
	return func(context.Context, identity.Login, identity.Conversation) identity.Verdict { return v }
}

// rig is one host program's world: a folder of PAM services and a socket.
type rig struct {
	t       *testing.T
	v       variant
	confdir string
	socket  string
}

func newRig(t *testing.T, v variant) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, v: v, confdir: dir, socket: filepath.Join(dir, "pam.sock")}
	r.stack()
	return r
}

// stack writes the service "test": every phase is ours alone, with the given
// arguments.
func (r *rig) stack(args ...string) {
	r.t.Helper()
	var b strings.Builder
	for _, phase := range []string{"auth", "account", "password", "session"} {
		r.line(&b, phase, "required", args...)
	}
	r.service(b.String())
}

func (r *rig) line(b *strings.Builder, phase, control string, args ...string) {
	args = append([]string{phase, control, r.v.module, "socket=" + r.socket}, args...)
	b.WriteString(strings.Join(args, " ") + "\n")
}

func (r *rig) service(text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.confdir, "test"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// serve runs the real server with an authority until the test ends.
func (r *rig) serve(a pam.Authority) {
	r.t.Helper()
	r.serveAs(&pam.Server{Log: slog.New(slog.DiscardHandler)}, a)
}

func (r *rig) serveAs(s *pam.Server, a pam.Authority) {
	r.t.Helper()
	s.Authority = a
	l, err := wire.Listen(r.socket, 0o666)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("serve: %v", err)
		}
	})
}

// fake listens and hands each connection to f, which may misbehave.
func (r *rig) fake(f func(c *net.UnixConn)) {
	r.t.Helper()
	l, err := wire.Listen(r.socket, 0o666)
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	r.t.Cleanup(func() { _ = l.Close(); <-ended })
}

// run starts the host program, without a terminal, and returns what it printed.
func (r *rig) run(answers []string, user string, steps ...string) string {
	r.t.Helper()
	return r.runAt(nil, answers, user, steps...)
}

// runAt is run at a terminal, where one is given.
func (r *rig) runAt(tty *os.File, answers []string, user string, steps ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.v.host, append([]string{r.confdir, "test", user}, steps...)...)
	cmd.Env = append(os.Environ(), "ASAN_OPTIONS=detect_leaks=1")
	if answers != nil {
		cmd.Env = append(cmd.Env, "ANSWERS="+strings.Join(answers, "\n"))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if tty != nil {
		cmd.Stdin, cmd.SysProcAttr.Setctty = tty, true
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("host %v: %v\n%s%s", steps, err, out.String(), errs.String())
	}
	return out.String()
}

// want compares what the host printed, line by line.
func want(t *testing.T, got string, lines ...string) {
	t.Helper()
	if w := strings.Join(lines, "\n") + "\n"; got != w {
		t.Errorf("the host printed:\n%swant:\n%s", got, w)
	}
}

// both runs f once with the module as it ships and once with sanitizers.
func both(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	for _, v := range the.variants {
		t.Run(v.name, func(t *testing.T) { f(t, newRig(t, v)) })
	}
}
