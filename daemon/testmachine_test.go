package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
)

// clocks are a wall clock and a boot clock that a test moves.
type clocks struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
}

func (c *clocks) now() time.Time         { c.mu.Lock(); defer c.mu.Unlock(); return c.wall }
func (c *clocks) elapsed() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.boot }
func (c *clocks) set(wall time.Time)     { c.mu.Lock(); defer c.mu.Unlock(); c.wall = wall }
func (c *clocks) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
	c.boot += d
}

func (c *clocks) reboot(off time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(off)
	c.boot = 0
}

// testMachine is a machine under test.
type testMachine struct {
	t       testing.TB
	srv     *server
	clk     *clocks // this machine's
	truth   *clocks // the server's
	dir     string
	root    string
	policy  policy.Policy
	only    bool              // the provider can only fetch
	front   provider.Provider // nil: srv itself
	groups  *groupServer      // with only: and find groups; nil: it cannot
	cache   *cache.Cache
	sealer  seal.Sealer
	seal    func(dir string) seal.Sealer // nil: by a file
	machine uuid.UUID
	// sealWords say where and why, and what would be stronger.
	sealWords [2]string
	cards     *reader        // nil: no card service
	enrols    cards.Enroller // nil: cards can be used, and none enrolled
	seats     cards.Seats    // nil: everybody sits here
	realms    *Realms        // nil: its own alone
	realm     string
	d         *Daemon
	end       func()
}

func newTestMachine(t testing.TB, tweak ...func(*testMachine)) *testMachine {
	t.Helper()
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	h := &testMachine{
		t: t, dir: filepath.Join(t.TempDir(), "state"), root: t.TempDir(), machine: uuid.New(),
		clk: &clocks{wall: start, boot: time.Hour}, truth: &clocks{wall: start}, realm: realm,
		policy: policy.Policy{
			AllowAll: true, Aliases: true, IDs: []identity.IDRange{identity.DefaultIDRange}, Argon: policy.Argon{Memory: 64, Time: 1, Threads: 1},
			OfflineMax: 400 * 24 * time.Hour, ServerTimeout: 5 * time.Second, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
		},
	}
	h.srv = newServer(t, h.machine, h.truth.now)
	h.local("passwd", "root:x:0:0::/root:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\nTaken:x:1900000666:1::/:/bin/sh\n")
	h.local("group", "root:x:0:\nsudo:x:27:\n")
	for _, f := range tweak {
		f(h)
	}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *testMachine) local(file, content string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(filepath.Join(h.root, "etc"), 0o755))
	must(h.t, os.WriteFile(filepath.Join(h.root, "etc", file), []byte(content), 0o644))
}

// start opens the cache and makes the daemon; run runs it too.
func (h *testMachine) start() {
	h.t.Helper()
	var err error
	h.cache, err = cache.Open(context.Background(), filepath.Join(h.dir, "cache.db"), cache.Options{Log: quiet(), Now: h.clk.now})
	must(h.t, err)
	key := filepath.Join(h.dir, "seal.key")
	if h.seal != nil {
		h.sealer = h.seal(h.dir)
	} else if f, err := seal.OpenFile(key); err == nil {
		h.sealer = f
	} else if errors.Is(err, os.ErrNotExist) {
		h.sealer, err = seal.CreateFile(key)
		must(h.t, err)
	} else {
		h.t.Fatal(err)
	}
	var p provider.Provider = h.srv
	if h.front != nil {
		p = h.front
	}
	if h.only {
		p = onlyFetch{h.srv}
	}
	if h.groups != nil {
		h.groups.onlyFetch, h.groups.server, h.groups.realm = onlyFetch{h.srv}, h.srv, h.realm
		p = h.groups
	}
	var service cards.Service
	if h.cards != nil {
		service = h.cards
	}
	if h.enrols != nil {
		service = h.enrols
	}
	seats := h.seats
	if seats == nil {
		seats = everywhere{}
	}
	h.d, err = New(Options{
		Cards: service, Seats: seats,
		Provider: p, Cache: h.cache, Sealer: h.sealer, Policy: h.policy, Machine: h.machine, Realm: h.realm,
		Version: "test", SealDetail: h.sealWords[0], SealMend: h.sealWords[1], Log: quiet(), Now: h.clk.now, Boottime: h.clk.elapsed, Realms: h.realms, LocalFiles: h.root,
	})
	must(h.t, err)
	h.end = func() {}
}

func (h *testMachine) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.d.Run(ctx) }()
	h.end = func() { cancel(); <-done }
}

func (h *testMachine) stop() {
	h.t.Helper()
	h.end()
	must(h.t, h.cache.Close())
}

func (h *testMachine) restart() { h.t.Helper(); h.stop(); h.start() }

func (h *testMachine) online() {
	h.t.Helper()
	h.run()
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
}

// wait waits for a condition, and fails when it does not come.
func (h *testMachine) wait(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// lost takes the network away, and waits until the machine knows.
func (h *testMachine) lost() {
	h.t.Helper()
	h.srv.be(down)
	h.wait("offline", func() bool { return h.d.Link().Now() == resolver.Offline && h.d.Link().JustFailed() })
}

func quiet() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// typist answers prompts in order, and keeps what was shown.
type typist struct {
	mu      sync.Mutex
	answers []string
	prompts []string
	told    []string
	leaves  bool
}

func typing(answers ...string) *typist { return &typist{answers: answers} }

func (c *typist) Ask(_ context.Context, _ identity.Style, text string) (identity.Secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prompts = append(c.prompts, text)
	if len(c.answers) == 0 {
		return identity.Secret{}, errors.New("the person went away")
	}
	a := c.answers[0]
	c.answers = c.answers[1:]
	return identity.NewSecret([]byte(a)), nil
}

func (c *typist) Tell(_ context.Context, _ identity.Style, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, seen(text))
	if c.leaves {
		return errors.New("the person went away")
	}
	return nil
}

// login asks as root, by the password phase.
func (h *testMachine) login(name string, answers ...string) (identity.Verdict, *typist) {
	h.t.Helper()
	conv := typing(answers...)
	return h.d.Decide(context.Background(), identity.Login{
		Operation: identity.OpAuthenticate, Service: "test", User: name, TTY: "tty1", Caller: nobodysLogin(),
	}, conv), conv
}

func (h *testMachine) expect(want identity.Code, name string, answers ...string) *typist {
	h.t.Helper()
	v, conv := h.login(name, answers...)
	if v.Code != want {
		h.t.Fatalf("%s: code %d, want %d; told %q, prompts %q", name, v.Code, want, conv.told, conv.prompts)
	}
	if (v.Password.Len() > 0) != (want == identity.Granted) {
		h.t.Fatalf("%s: password handed on with code %d", name, v.Code)
	}
	return conv
}

func (h *testMachine) phase(op identity.Operation, name string) identity.Code {
	h.t.Helper()
	return h.d.Decide(context.Background(), identity.Login{Operation: op, Service: "test", User: name}, typing()).Code
}

// atLogin is what a refusal is called while someone authenticates:
// pam_authenticate(3) has no "not permitted".
func atLogin(c identity.Code) identity.Code {
	if c == identity.NotPermitted {
		return identity.Denied
	}
	return c
}

// everywhere is a machine that everybody sits at.
type everywhere struct{}

func (everywhere) Session(string, uint32) (bool, error) { return true, nil }
func (everywhere) User(uint32) (bool, error)            { return true, nil }

// nobodysLogin is what a console or a greeter says of who runs it.
func nobodysLogin() identity.Caller {
	return identity.Caller{Known: true, LoginUID: identity.NoLoginUID}
}
