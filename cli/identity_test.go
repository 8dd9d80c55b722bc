package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cli"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

// prover is a daemon with the server's end of OPAQUE behind it.
type prover struct {
	mu         sync.Mutex // each question comes on a connection of its own
	server     *pake.Server
	credential []byte
	record     []byte
	attempt    *pake.Attempt
	over       bool   // the exchange was ended before its end
	heard      []byte // all that came
}

func (p *prover) Handle(_ context.Context, _ identity.Peer, verb string, args []byte, emit func(any) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, args...)
	switch verb {
	case report.VerbWhoami:
		return emit(report.Whoami{Realm: "example.org", Account: report.Account{Name: "ada"}})
	case report.VerbIdentityBegin:
		var b report.IdentityBegin
		if err := json.Unmarshal(args, &b); err != nil {
			return err
		}
		if !b.Register {
			return p.login(b.Message, emit)
		}
		if b.Code != "CODE" {
			return errors.New("the code is wrong")
		}
		p.credential = pake.NewCredential()
		m, err := p.server.Registration(b.Message, p.credential)
		if err != nil {
			return err
		}
		return emit(report.IdentityStep{Handle: "h", Message: m})
	}
	var n report.IdentityNext
	if err := json.Unmarshal(args, &n); err != nil || n.Handle != "h" {
		return errors.Join(err, errors.New("no handle"))
	}
	switch {
	case len(n.Message) == 0:
		p.over = true
		return emit(report.IdentityStep{})
	case len(n.Record) > 0:
		p.record = n.Record
		return p.login(n.Message, emit)
	}
	if err := p.attempt.Finish(n.Message); err != nil {
		return err
	}
	return emit(report.IdentityStep{Token: []byte("a token")})
}

func (p *prover) login(ke1 []byte, emit func(any) error) error {
	m, a, err := p.server.Login(ke1, &pake.Registered{Credential: p.credential, Record: p.record}, "ada")
	if p.attempt = a; err != nil {
		return err
	}
	return emit(report.IdentityStep{Handle: "h", Message: m})
}

func newProver(t *testing.T, server string) *prover {
	t.Helper()
	keys, err := pake.ForIdentities.NewKeys(server)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pake.ForIdentities.NewServer(keys)
	if err != nil {
		t.Fatal(err)
	}
	return &prover{server: s}
}

// run is the command with what is typed, and returns its exit code and what it says.
func (p *prover) run(t *testing.T, typed string, words ...string) (int, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&control.Server{Operator: p, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, _ = out.WriteString(typed)
	_ = out.Close()
	var says bytes.Buffer
	app := &cli.App{Stdin: in, Stdout: &says, Stderr: &says, Version: "1", Now: time.Now}
	code := app.Run(t.Context(), append(append([]string{"identity"}, words...), "--socket", socket))
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return code, says.String()
}

const phrase = "correct horse battery"

// Promise identity-client-password.
func TestThePasswordStaysInTheProcessThatAsksForIt(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	p := newProver(t, "example.org")
	wants := func(what string, want int, text, typed string, words ...string) {
		t.Helper()
		if code, says := p.run(t, typed, words...); code != want || !strings.Contains(says, text) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", what, code, want, text, says)
		}
	}
	twice := phrase + "\n" + phrase + "\n"
	wants("a wrong code", 70, "the code is wrong", twice, "register", "--device", "d/1", "--code", "WRONG")
	wants("register", 0, "Registered, and logged in as ada", "CODE\n"+twice, "register", "--device", "d/1")
	wants("a wrong password", 1, "the password is wrong", "wrong horse battery\n", "login", "--device", "d/1")
	if !p.over {
		t.Error("the exchange with a wrong password was left open")
	}
	wants("login", 0, "Logged in as ada on the device d/2", phrase+"\n", "login", "--device", "d/2")
	wants("token", 0, "YSB0b2tlbg\n", "", "token", "--device", "d/2")
	if len(p.heard) == 0 || bytes.Contains(p.heard, []byte("horse")) {
		t.Errorf("the daemon heard %s", p.heard)
	}
	var files []string
	err := filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if b, _ := os.ReadFile(path); err == nil && (i.Mode().Perm() != 0o600 || strings.Contains(string(b), "horse")) {
			t.Errorf("%s is of mode %v: %s", path, i.Mode(), b)
		}
		files = append(files, path)
		return err
	})
	if i, _ := os.Stat(filepath.Join(state, "sallyport", "identity")); err != nil || len(files) != 2 || i.Mode().Perm() != 0o700 {
		t.Errorf("%q, %v", files, err)
	}
}

// Promise identity-client-server.
func TestAServerWithoutTheRealmsKeysGetsNoProof(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	p := newProver(t, "example.org")
	twice := phrase + "\n" + phrase + "\n"
	if code, says := p.run(t, twice, "register", "--device", "d", "--code", "CODE"); code != 0 {
		t.Fatal(says)
	}
	p.server = newProver(t, "example.org").server
	if code, says := p.run(t, phrase+"\n", "login", "--device", "d"); code != 1 || !p.over {
		t.Errorf("exit code %d, ended %v:\n%s", code, p.over, says)
	}
	other := newProver(t, "example.com")
	if code, says := other.run(t, twice, "register", "--device", "d", "--code", "CODE"); code != 1 || !other.over {
		t.Errorf("another realm: exit code %d, ended %v:\n%s", code, other.over, says)
	}
}
