package fleet

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/seal"
)

// workstation is a machine's whole daemon with its cache, which may start anew.
type workstation struct {
	t      testing.TB
	d      *daemon.Daemon
	of     sallyport.Options
	dir    string
	sealer seal.Sealer
	end    func()
}

// workstation boots one, and waits until it is online.
func (b *branch) workstation(o sallyport.Options) *workstation {
	b.t.Helper()
	w := &workstation{t: b.t, of: o, dir: b.t.TempDir()}
	var err error
	w.sealer, err = seal.CreateFile(filepath.Join(w.dir, "seal.key"))
	b.must(nil, err)
	w.start()
	b.t.Cleanup(func() { w.end() })
	w.until("online", w.online)
	return w
}

func (w *workstation) start() {
	w.t.Helper()
	c, err := cache.Open(w.t.Context(), filepath.Join(w.dir, "cache.db"), cache.Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	w.must(err)
	p, err := sallyport.New(w.of)
	w.must(err)
	w.d, err = daemon.New(daemon.Options{
		Provider: p, Cache: c, Sealer: w.sealer, Machine: w.of.MachineID, Realm: w.of.Realm, Version: "test", Log: slog.New(slog.DiscardHandler), LocalFiles: w.dir,
		Policy: policy.Policy{
			AllowAll: true, IDs: []identity.IDRange{identity.DefaultIDRange}, Argon: policy.Argon{Memory: 64, Time: 1, Threads: 1},
			OfflineMax: 24 * time.Hour, ServerTimeout: 10 * time.Second, BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		},
	})
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.d.Run(ctx) }()
	w.end = func() {
		cancel()
		<-done
		if err := errors.Join(p.Close(), c.Close()); err != nil {
			w.t.Error(err)
		}
		w.end = func() {}
	}
}

// restart starts the daemon anew, by what its cache remembers.
func (w *workstation) restart() { w.t.Helper(); w.end(); w.start() }

func (w *workstation) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *workstation) online() bool { return w.d.Link().Now() == resolver.Online }

// until waits for something, a minute at most.
func (w *workstation) until(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("it never comes true: %s: %+v", what, w.d.Link().View())
		}
	}
}

// typist types the same password at each prompt, and keeps what was shown.
type typist struct{ shown []string }

func (c *typist) Ask(_ context.Context, _ identity.Style, text string) (identity.Secret, error) {
	c.shown = append(c.shown, text)
	return identity.NewSecret([]byte(password)), nil
}

func (c *typist) Tell(_ context.Context, _ identity.Style, text string) error {
	c.shown = append(c.shown, text)
	return nil
}

// lets tells whether somebody gets in at a console, and what was shown.
func (w *workstation) lets(name string) (bool, []string) {
	w.t.Helper()
	c := &typist{}
	v := w.d.Decide(w.t.Context(), identity.Login{
		Operation: identity.OpAuthenticate, Service: "test", User: name, TTY: "tty1", Caller: identity.Caller{Known: true, LoginUID: identity.NoLoginUID},
	}, c)
	return v.Code == identity.Granted, c.shown
}

// knows tells whether the account is known here and active.
func (w *workstation) knows(name string) (known, active bool) {
	e := w.d.Directory().Named(identity.Name(name))
	return e != nil, e != nil && e.State() == identity.Active
}
