package test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
	"github.com/sallyport-auth/sallyport/wire"
)

// host is a program that speaks to pam.sock as the PAM module does.
type host struct{ *wire.Conn }

// begin opens a conversation about ada.
func begin(op identity.Operation) *wire.Message {
	return wire.New(wire.Begin).AddNumbers(wire.Operation, uint32(op)).AddNumbers(wire.Flags, 0).
		AddString(wire.Service, "test").AddString(wire.Name, ada)
}

// ask sends how a conversation begins and goes on to its first prompt.
func ask(ctx context.Context, r *machine.Realm, first *wire.Message) (host, error) {
	c, err := wire.Dial(ctx, r.Path("/run/sallyport/pam.sock"))
	if err != nil {
		return host{}, err
	}
	h := host{c}
	if err = c.Send(ctx, first); err == nil {
		_, err = h.until(ctx, wire.Prompt)
	}
	if err != nil {
		_ = c.Close()
	}
	return h, err
}

// until receives up to a message of that type.
func (h host) until(ctx context.Context, want wire.Type) (*wire.Message, error) {
	for {
		m, err := h.Receive(ctx)
		if err != nil {
			return nil, err
		}
		switch m.Type {
		case want:
			return m, nil
		case wire.Working, wire.Tell:
		default:
			return nil, fmt.Errorf("message %#x, code %d", uint8(m.Type), m.Number(wire.Code))
		}
	}
}

// answer types a password and waits for the verdict.
func (h host) answer(ctx context.Context, password string) (identity.Code, error) {
	if err := h.Send(ctx, wire.New(wire.Answer).AddString(wire.Secret, password)); err != nil {
		return 0, err
	}
	m, err := h.until(ctx, wire.Verdict)
	if err != nil {
		return 0, err
	}
	return identity.Code(m.Number(wire.Code)), nil
}

// signIn is one whole authentication of ada's.
func signIn(ctx context.Context, r *machine.Realm, password string) (identity.Code, error) {
	h, err := ask(ctx, r, begin(identity.OpAuthenticate))
	if err != nil {
		return 0, err
	}
	defer h.Close()
	return h.answer(ctx, password)
}

// changePassword is the second round of what passwd(1) does.
func changePassword(ctx context.Context, r *machine.Realm, was, is string) (identity.Code, error) {
	h, err := ask(ctx, r, begin(identity.OpChangePassword).AddString(wire.OldPass, was))
	if err != nil {
		return 0, err
	}
	defer h.Close()
	if err := h.Send(ctx, wire.New(wire.Answer).AddString(wire.Secret, is)); err != nil {
		return 0, err
	}
	if _, err := h.until(ctx, wire.Prompt); err != nil { // once more
		return 0, err
	}
	return h.answer(ctx, is)
}

// life is what goes on while the daemon is killed again and again, and what it
// acknowledged of it.
type life struct {
	r        *machine.Realm
	password string
	// kept: ada was let in with this password, so a verifier of it is on the disk.
	kept bool
	// unsure: ada's change of the password got no answer, so it may be either.
	unsure          bool
	logins, changes int
}

// length is how long what happens at n takes at most, more or less: a login that
// makes a verifier hashes twice.
func (l *life) length(n int) time.Duration {
	if n%8 == 1 || n%8 == 2 || n%8 == 5 || n%8 == 6 {
		return 700 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// happen lets one thing happen. Whether the daemon lived to see it is seen later.
func (l *life) happen(ctx context.Context, n int) error {
	admin := func(secret string, words ...string) error { _, err := l.r.Admin(ctx, secret, words...); return err }
	switch n % 8 {
	case 0: // the administrator's; the old verifier may end at any moment from now
		l.kept, l.unsure = false, false
		l.password = fmt.Sprintf("password number %d", n)
		return admin(l.password, "account", "set-password", ada)
	case 1, 2, 5:
		code, err := signIn(ctx, l.r, l.password)
		switch {
		case err != nil || code == identity.Unavailable || (l.unsure && code == identity.Denied):
		case code != identity.Granted:
			return fmt.Errorf("the right password is answered by code %d", code)
		default:
			l.kept, l.unsure = true, false
			l.logins++
		}
		return nil //nolint:nilerr // it was killed meanwhile
	case 3:
		return admin("", "account", "disable", "grace")
	case 4:
		return admin("", "account", "add", fmt.Sprintf("person%d", n))
	case 6: // ada's own; without an answer nobody knows, until the administrator's next
		was, is := l.password, fmt.Sprintf("password of her own %d", n)
		l.kept = false
		code, err := changePassword(ctx, l.r, was, is)
		if err == nil && code == identity.Granted {
			l.password, l.kept = is, true
			l.changes++
		} else {
			l.unsure = true
		}
		return nil
	default:
		return admin("", "account", "enable", "grace")
	}
}

// inspect looks at a copy of the database, as the next start will find it.
func (l *life) inspect(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	defer os.RemoveAll(dir)
	for _, f := range []string{"cache.db", "cache.db-wal"} {
		b, err := os.ReadFile(l.r.Path(filepath.Join(stateDir, f)))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		must(t, os.WriteFile(filepath.Join(dir, f), b, 0o600))
	}
	db, err := sql.Open("sqlite3", filepath.Join(dir, "cache.db"))
	must(t, err)
	defer db.Close()
	var whole string
	must(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&whole))
	if whole != "ok" {
		t.Fatalf("integrity_check: %s", whole)
	}
	if !l.kept {
		return
	}
	var verifiers int
	must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM verifiers WHERE kind = 'password'").Scan(&verifiers))
	if verifiers != 1 {
		t.Fatalf("ada was let in, and there are %d verifiers", verifiers)
	}
}

// Promise 10.
func TestAKilledDaemonLosesNothingThatItAcknowledged(t *testing.T) {
	r := joined(t)
	ctx := t.Context()
	must(t, r.AddPerson(ctx, "grace", adaPass, adaKey+".pub", "others"))
	l := &life{r: r, password: adaPass}
	const times = 200
	for n := range times {
		if n > 0 {
			must(t, startDaemonSoon(ctx, r, n))
		}
		happened := make(chan error, 1)
		go func() { happened <- l.happen(ctx, n) }()
		// The instant is random on purpose: also while it starts, also when all is done.
		instant := time.NewTimer(time.Duration(rand.Int64N(int64(l.length(n)))))
		select {
		case <-instant.C:
		case <-r.Daemon.Done():
			t.Fatalf("the daemon ended by itself:\n%s", r.Daemon.Output)
		}
		r.Daemon.Kill()
		must(t, <-happened)
		l.inspect(t)
	}
	t.Logf("%d kills; %d logins and %d changes of the password were acknowledged", times, l.logins, l.changes)
	if l.logins < times/20 || l.changes == 0 {
		t.Error("too little came through: this says nothing")
	}
	if l.unsure {
		must(t, l.happen(ctx, 0))
	}
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	if out := script(t, r, "sallyport status || true"); strings.Contains(out, "damaged") {
		t.Errorf("the database was made anew:\n%s", out)
	}
	lets(t, ways(r, ada, l.password)["su"], ada)
	r.Daemon.Kill()
	must(t, r.Server.Stop(ctx))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOffline(ctx))
	lets(t, ways(r, ada, l.password)["su"], ada)
	keepsOut(t, ways(r, ada, adaPass)["su"])
}

// startDaemonSoon starts the daemon; every fourth time it does not wait until it
// serves, so that some die while they open the database.
func startDaemonSoon(ctx context.Context, r *machine.Realm, n int) error {
	if n%4 != 3 {
		return r.StartDaemon(ctx)
	}
	p, err := r.Start(ctx, "/usr/bin/setpriv", machine.AsDaemon("/usr/sbin/sallyportd", "--config", "/etc/sallyport/sallyportd.toml")...)
	r.Daemon = p
	return err
}
