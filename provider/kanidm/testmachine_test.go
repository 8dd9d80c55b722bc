package kanidm_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
)

// testMachine is a resolver with a Kanidm server behind it.
type testMachine struct {
	*daemon.Daemon
	t testing.TB
}

func (d *rig) testMachine(change ...func(*kanidm.Options)) *testMachine {
	t := d.t
	t.Helper()
	dir := t.TempDir()
	store, err := cache.Open(t.Context(), filepath.Join(dir, "cache.db"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Open(t.Context(), seal.Options{Dir: dir, Kind: seal.KindFile})
	if err != nil {
		t.Fatal(err)
	}
	p := d.machine(func(o *kanidm.Options) {
		o.Memory = store
		for _, c := range change {
			c(o)
		}
	})
	o := daemon.Options{
		Provider: p, Cache: store, Sealer: sealed.Sealer, Machine: box, Realm: d.realm, LocalFiles: dir, Log: slog.New(slog.DiscardHandler),
		Policy: policy.Policy{
			AllowAll: true, IDs: []identity.IDRange{{Min: 65536, Max: 200000}}, OfflineMax: 24 * time.Hour,
			Argon:    policy.Argon{Memory: 64, Time: 1, Threads: 1},
			Services: map[string]policy.Service{"sudo": {StepUp: true, MaxAge: time.Nanosecond}},
		},
	}
	if d.among != nil {
		d.among(&o)
	}
	h, err := daemon.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = store.Close()
	})
	return &testMachine{h, t}
}

// typing is a person who types these, one after the other.
type typing struct{ answers []string }

func (p *typing) Ask(context.Context, identity.Style, string) (identity.Secret, error) {
	if len(p.answers) == 0 {
		return identity.Secret{}, errors.New("nothing more to say")
	}
	a := p.answers[0]
	p.answers = p.answers[1:]
	return secret(a), nil
}

func (p *typing) Tell(context.Context, identity.Style, string) error { return nil }

func (h *testMachine) login(answers ...string) identity.Code {
	h.t.Helper()
	return h.decides(identity.Login{Operation: identity.OpAuthenticate, Service: "login", User: "bob"}, answers...)
}

func (h *testMachine) decides(l identity.Login, answers ...string) identity.Code {
	h.t.Helper()
	return h.Decide(h.t.Context(), l, &typing{answers}).Code
}

// What is a step-up the resolver says: a service that demands a fresh proof of somebody
// who is signed in, in either phase. A login and a screen lock are none, nor is a sudo of which
// it is not known who runs it.
// Promise kanidm-step-up.
func TestOnlyAStepUpOfSomebodySignedInGoesOnFromTheSignIn(t *testing.T) {
	at := identity.LoginSession{Audit: 7, Leader: 1234, Started: 99999}
	sudo := identity.Login{Operation: identity.OpAuthenticate, Service: "sudo", User: "bob", RemoteUser: "bob", Session: at}
	lock := identity.Login{Operation: identity.OpAuthenticate, Service: "xscreensaver", User: "bob", Session: at, Peer: identity.Peer{UID: 70001}}
	second := sudo
	second.Operation = identity.OpAccount
	unknown, elsewhere := sudo, sudo
	unknown.Session = identity.LoginSession{}
	elsewhere.Service = "login"
	for name, c := range map[string]struct {
		login identity.Login
		want  int
	}{
		"sudo": {sudo, 1}, "sudo, in the account phase": {second, 1}, "sudo of nobody known": {unknown, 0},
		"another login": {elsewhere, 0}, "a screen lock": {lock, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t)
			d.With(two)
			h := d.testMachine(stepped)
			if code := h.login("battery staple", "012345"); code != identity.Granted {
				t.Fatal(code)
			}
			if code := h.decides(c.login, "battery staple", "012345"); code != identity.Granted {
				t.Error(code)
			}
			if n := d.Reauthenticated(); n != c.want {
				t.Errorf("%d reauthentications, want %d", n, c.want)
			}
			if code := h.decides(c.login, "battery staple", "999999"); code == identity.Granted {
				t.Error("a wrong code is let in")
			}
		})
	}
}

// A request that hangs holds up the one who asked, and nobody else: not a lookup, not
// a login.
// Promise realms-slow-answer.
func TestASlowAnswerForOneDelaysNobodyElse(t *testing.T) {
	d := newRig(t)
	h := d.testMachine()
	if _, err := h.AccountByName(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	held, let := make(chan struct{}), make(chan struct{})
	d.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/slow/") {
			close(held)
			<-let
		}
		return false
	}
	slow := make(chan error, 1)
	go func() {
		_, err := h.AccountByName(context.WithoutCancel(t.Context()), "slow")
		slow <- err
	}()
	<-held
	if _, err := h.AccountByName(t.Context(), "bob"); err != nil {
		t.Error("a lookup of another:", err)
	}
	if code := h.login("correct horse"); code != identity.Granted {
		t.Error("a login of another:", code)
	}
	select {
	case err := <-slow:
		t.Error("the slow answer came before it was let go:", err)
	default:
	}
	close(let)
	if err := <-slow; !errors.Is(err, identity.ErrNotFound) {
		t.Error(err)
	}
}

func TestWhoSignedInOnceSignsInWithoutTheServer(t *testing.T) {
	d := newRig(t)
	h := d.testMachine()
	if code := h.login("correct horse"); code != identity.Granted {
		t.Fatal(code)
	}
	d.Close()
	if code := h.login("correct horse"); code != identity.Granted {
		t.Error("the right password, offline:", code)
	}
	if code := h.login("wrong"); code != identity.Denied {
		t.Error("a wrong one, offline:", code)
	}
}

// Kanidm does not tell when a password changes, so the first login after it does: the
// old one is refused or the new one accepted, and then the old is dead offline too.
// Promise kanidm-old-password, kanidm-lock.
func TestAnOldPasswordIsDeadOfflineOnceTheServerHasSpoken(t *testing.T) {
	for name, seen := range map[string]string{"the old one is refused": "correct horse", "the new one is accepted": "another horse"} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t)
			h := d.testMachine(func(o *kanidm.Options) { o.SoftLock = time.Millisecond })
			if code := h.login("correct horse"); code != identity.Granted {
				t.Fatal(code)
			}
			d.With(func(p *person) { p.POSIX = "another horse" })
			if code := h.login(seen); (code == identity.Granted) != (seen == "another horse") {
				t.Fatal(code)
			}
			if seen == "correct horse" { // it could be a lock: the second no counts
				h.until("the verifier's end", func(s report.Status) bool { return s.Cache.Verifiers == 0 })
			}
			d.Close()
			if code := h.login("correct horse"); code == identity.Granted {
				t.Error("the old password is let in offline")
			}
			if code := h.login("another horse"); (code == identity.Granted) != (seen == "another horse") {
				t.Error("the new password, offline:", code)
			}
		})
	}
	t.Run("a wrong one changes nothing", func(t *testing.T) {
		d := newRig(t)
		h := d.testMachine()
		if h.login("correct horse") != identity.Granted || h.login("wrong") != identity.Denied {
			t.Fatal("not as it should be")
		}
		d.Close()
		if code := h.login("correct horse"); code != identity.Granted {
			t.Error(code)
		}
	})
}
