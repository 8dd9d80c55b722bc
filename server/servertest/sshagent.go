package servertest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHAgent is a real ssh-agent(1), which ends with its test.
type SSHAgent struct {
	T      testing.TB
	Socket string
	dir    string // short: a socket's path has at most 107 bytes
	cmd    *exec.Cmd
}

// NewSSHAgent starts one without keys.
func NewSSHAgent(t testing.TB) *SSHAgent {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	a := &SSHAgent{T: t, dir: dir, Socket: filepath.Join(dir, "agent.sock")}
	t.Cleanup(func() { a.Kill(); _ = os.RemoveAll(dir) })
	a.Start()
	return a
}

// Start starts it anew, without keys.
func (a *SSHAgent) Start() {
	a.T.Helper()
	_ = os.Remove(a.Socket)
	a.cmd = exec.CommandContext(context.WithoutCancel(a.T.Context()), "ssh-agent", "-D", "-a", a.Socket) //nolint:gosec // of a test
	if err := a.cmd.Start(); err != nil {
		a.T.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.T.Context(), 20*time.Second)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "unix", a.Socket)
		if err == nil {
			_ = c.Close()
			return
		}
		if ctx.Err() != nil {
			a.T.Fatal(errors.Join(errors.New("ssh-agent does not listen"), err))
		}
	}
}

// Kill ends it, whatever it is doing.
func (a *SSHAgent) Kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// Signal stops it in the middle of whatever it is doing, or has it go on.
func (a *SSHAgent) Signal(s os.Signal) {
	a.T.Helper()
	if err := a.cmd.Process.Signal(s); err != nil {
		a.T.Fatal(err)
	}
}

// Add adds a new key of a kind that ssh-keygen(1) makes, such as "-t rsa -b 3072". It is in
// that file too.
func (a *SSHAgent) Add(kind string) (key ssh.PublicKey, private string) {
	a.T.Helper()
	f, err := os.CreateTemp(a.dir, "key")
	if err != nil {
		a.T.Fatal(err)
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	a.run("ssh-keygen", append(strings.Fields(kind), "-q", "-N", "", "-f", f.Name())...)
	a.AddFile(f.Name())
	text, err := os.ReadFile(f.Name() + ".pub")
	if err != nil {
		a.T.Fatal(err)
	}
	if key, _, _, _, err = ssh.ParseAuthorizedKey(text); err != nil {
		a.T.Fatal(err)
	}
	return key, f.Name()
}

// AddFile adds the key of a file.
func (a *SSHAgent) AddFile(private string) { a.T.Helper(); a.run("ssh-add", "-q", private) }

// Lock locks it with a password: it shows no keys, and signs with none.
func (a *SSHAgent) Lock() {
	a.T.Helper()
	ask := filepath.Join(a.dir, "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\necho secret\n"), 0o700); err != nil { //nolint:gosec // a program
		a.T.Fatal(err)
	}
	a.run("env", "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "ssh-add", "-x")
}

// Forget has it forget all keys.
func (a *SSHAgent) Forget() { a.T.Helper(); a.run("ssh-add", "-q", "-D") }

func (a *SSHAgent) run(name string, words ...string) {
	a.T.Helper()
	c := exec.CommandContext(a.T.Context(), name, words...) //nolint:gosec // of a test
	c.Env = append(os.Environ(), "SSH_AUTH_SOCK="+a.Socket)
	if out, err := c.CombinedOutput(); err != nil {
		a.T.Fatalf("%s: %v\n%s", name, err, out)
	}
}
