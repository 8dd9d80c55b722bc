package daemon

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
)

const realm = "example.org"

// mode is how the fake server behaves.
type mode int32

const (
	up mode = iota
	down
	hanging
	untrusted
	unjoined
)

// server is a realm in memory with real signatures.
type server struct {
	mode    atomic.Int32
	fetches atomic.Int64
	begins  atomic.Int64

	mu       sync.Mutex
	signer   *identity.Signer
	keyring  *identity.Keyring
	machine  uuid.UUID
	now      func() time.Time
	people   map[uuid.UUID]*person
	log      []provider.Event
	changed  chan struct{}
	cut      chan struct{} // closed to end every stream
	tamper   func(*provider.Reply)
	holdStep chan struct{} // when set, a step waits for it or its context
	lostStep bool          // steps fail as if the network went
	silent   bool          // a stream sends its backlog and no CaughtUp
	reset    bool
}

type person struct {
	token    identity.IDToken
	password string
	code     string
	locked   bool
}

func newServer(t testing.TB, machine uuid.UUID, now func() time.Time) *server {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := identity.NewSigner(key)
	must(t, err)
	ring, err := identity.NewKeyring(realm, []ed25519.PublicKey{pub})
	must(t, err)
	return &server{
		signer: signer, keyring: ring, machine: machine, now: now,
		people: map[uuid.UUID]*person{}, changed: make(chan struct{}), cut: make(chan struct{}),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var staff = identity.Group{UUID: uuid.MustParse("11111111-1111-4111-8111-111111111111"), Name: "staff", GID: 1900000001}

func token(name string, uid uint32, groups ...identity.Group) identity.IDToken {
	own := identity.Group{UUID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte("group "+name)), Name: identity.Name(name), GID: uid}
	return identity.IDToken{
		Realm: realm, State: identity.Active, ValidUntil: identity.Never, OfflineFor: 14 * 86400,
		Account: identity.Account{
			UUID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)), Name: identity.Name(name), UID: uid, GID: uid,
			Home: "/home/" + name, Shell: "/bin/bash",
		},
		Groups:  append([]identity.Group{own}, groups...),
		Factors: []identity.Factor{{Kind: identity.Password, Epoch: 1}},
	}
}

// set changes or adds an account and pushes it.
func (s *server) set(t testing.TB, tok identity.IDToken, change func(*person)) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[tok.Account.UUID]
	if p == nil {
		p = &person{token: tok, password: "secret"}
		s.people[tok.Account.UUID] = p
	}
	if change != nil {
		change(p)
	}
	p.token.Revision = uint64(len(s.log) + 1)
	s.push(provider.Event{Kind: provider.Changed, Record: s.record(t, p)})
}

func (s *server) push(e provider.Event) {
	e.Position, e.ServerTime = uint64(len(s.log)+1), s.now()
	s.log = append(s.log, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) remove(id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.people, id)
	s.push(provider.Event{Kind: provider.Gone, UUID: id})
}

func (s *server) record(t testing.TB, p *person) provider.Record {
	tok := p.token
	tok.Groups, tok.Factors, tok.SSHKeys = slices.Clone(tok.Groups), slices.Clone(tok.Factors), slices.Clone(tok.SSHKeys)
	signed, err := s.signer.SignIDToken(&tok)
	if err != nil && t != nil {
		t.Fatal(err)
	}
	return provider.Record{Signed: signed, Token: &tok}
}

func (s *server) be(m mode) {
	s.mode.Store(int32(m))
	if m != up {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.cut)
		s.cut = make(chan struct{})
	}
}

func (s *server) answer(ctx context.Context) error {
	switch mode(s.mode.Load()) {
	case down:
		return fmt.Errorf("%w: refused", provider.ErrOffline)
	case hanging:
		<-ctx.Done()
		return fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
	case untrusted:
		return provider.ErrUntrusted
	case unjoined:
		return provider.ErrRefusedMachine
	}
	return nil
}

func (s *server) Name() string { return "fake" }
func (s *server) Close() error { return nil }

func (s *server) Verify(signed []byte) (*identity.IDToken, error) { return s.keyring.IDToken(signed) }

func (s *server) fetch(ctx context.Context, pick func(*person) bool) (provider.Record, error) {
	s.fetches.Add(1)
	if err := s.answer(ctx); err != nil {
		return provider.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.people {
		if pick(p) {
			return s.record(nil, p), nil
		}
	}
	return provider.Record{}, provider.ErrNotFound
}

func (s *server) Fetch(ctx context.Context, name identity.Name) (provider.Record, error) {
	return s.fetch(ctx, func(p *person) bool { return p.token.Account.Name == name })
}

func (s *server) FetchUID(ctx context.Context, uid uint32) (provider.Record, error) {
	return s.fetch(ctx, func(p *person) bool { return p.token.Account.UID == uid })
}

func (s *server) List(ctx context.Context, each func(provider.Record) error) (uint64, error) {
	if err := s.answer(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	var all []provider.Record
	for _, p := range s.people {
		all = append(all, s.record(nil, p))
	}
	position := uint64(len(s.log))
	s.mu.Unlock()
	for _, r := range all {
		if err := each(r); err != nil {
			return 0, err
		}
	}
	return position, nil
}

func (s *server) Watch(ctx context.Context, position uint64, each func(provider.Event) error) error {
	if err := s.answer(ctx); err != nil {
		return err
	}
	caught := false
	for {
		s.mu.Lock()
		var backlog []provider.Event
		if position < uint64(len(s.log)) {
			backlog = slices.Clone(s.log[position:])
		}
		changed, cut, silent, reset := s.changed, s.cut, s.silent, s.reset
		s.reset = false
		s.mu.Unlock()
		if reset {
			backlog = []provider.Event{{Kind: provider.Reset}}
		}
		for _, e := range backlog {
			if err := each(e); err != nil {
				return err
			}
			position = e.Position
		}
		if !caught && !silent {
			caught = true
			if err := each(provider.Event{Kind: provider.CaughtUp, Position: position, ServerTime: s.now()}); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-cut:
			return fmt.Errorf("%w: cut", provider.ErrOffline)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", provider.ErrOffline, ctx.Err())
		}
	}
}

type exchange struct {
	s    *server
	p    *person
	done []identity.FactorKind
}

func (s *server) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	s.begins.Add(1)
	if err := s.answer(ctx); err != nil {
		return nil, provider.Reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.people {
		if p.token.Account.Name != a.Name {
			continue
		}
		if p.locked {
			return nil, provider.Reply{Locked: true, Message: "Locked for 5 min."}, nil
		}
		return &exchange{s: s, p: p}, s.offer(identity.Password), nil
	}
	return nil, provider.Reply{}, provider.ErrNotFound
}

func (s *server) offer(k identity.FactorKind) provider.Reply {
	return provider.Reply{Outcome: provider.Continue, Offers: []identity.FactorKind{k}, ServerTime: s.now()}
}

func (x *exchange) Step(ctx context.Context, kind identity.FactorKind, c identity.Secret) (provider.Reply, error) {
	s := x.s
	s.mu.Lock()
	hold, lost := s.holdStep, s.lostStep
	s.mu.Unlock()
	if lost {
		return provider.Reply{}, provider.ErrOffline
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return provider.Reply{}, provider.ErrOffline
		}
	}
	if err := s.answer(ctx); err != nil {
		return provider.Reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := x.p.password
	if kind == identity.TOTP {
		want = x.p.code
	}
	if string(c.Reveal()) != want {
		return provider.Reply{Message: "Wrong."}, nil
	}
	x.done = append(x.done, kind)
	if x.p.code != "" && len(x.done) == 1 {
		return s.offer(identity.TOTP), nil
	}
	now := s.now()
	r := provider.Reply{Outcome: provider.Allow, Record: s.record(nil, x.p), ServerTime: now, Session: &identity.SessionToken{
		Realm: realm, ID: uuid.New(), Account: x.p.token.Account.UUID, Machine: s.machine, Methods: x.done,
		AuthenticatedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(),
	}}
	if s.tamper != nil {
		s.tamper(&r)
	}
	return r, nil
}

func (s *server) ChangePassword(ctx context.Context, name identity.Name, old, fresh identity.Secret) (provider.Record, error) {
	if err := s.answer(ctx); err != nil {
		return provider.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.people {
		if p.token.Account.Name != name {
			continue
		}
		if string(old.Reveal()) != p.password {
			return provider.Record{}, provider.ErrDenied
		}
		if fresh.Len() < 6 {
			return provider.Record{}, fmt.Errorf("%w: shorter than 6 characters", provider.ErrWeak)
		}
		p.password = string(fresh.Reveal())
		p.token.Factors[0].Epoch++
		p.token.Revision = uint64(len(s.log) + 1)
		r := s.record(nil, p)
		s.push(provider.Event{Kind: provider.Changed, Record: r})
		return r, nil
	}
	return provider.Record{}, provider.ErrNotFound
}

// onlyFetch is a server that can neither list nor watch nor change passwords.
type onlyFetch struct{ provider.Provider }

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

// house is a machine under test.
type house struct {
	t       testing.TB
	srv     *server
	clk     *clocks // this machine's
	truth   *clocks // the server's
	dir     string
	root    string
	policy  Policy
	only    bool // the provider can only fetch
	cache   *cache.Cache
	sealer  seal.Sealer
	machine uuid.UUID
	d       *Daemon
	end     func()
}

func newHouse(t testing.TB, tweak ...func(*house)) *house {
	t.Helper()
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	h := &house{
		t: t, dir: filepath.Join(t.TempDir(), "state"), root: t.TempDir(), machine: uuid.New(),
		clk: &clocks{wall: start, boot: time.Hour}, truth: &clocks{wall: start},
		policy: Policy{
			AllowAll: true, IDs: []identity.IDRange{identity.DefaultIDRange}, Argon: Argon{Memory: 64, Time: 1, Threads: 1},
			ServerTimeout: 5 * time.Second, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
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

func (h *house) local(file, content string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(filepath.Join(h.root, "etc"), 0o755))
	must(h.t, os.WriteFile(filepath.Join(h.root, "etc", file), []byte(content), 0o644))
}

// start opens the cache and makes the daemon; run runs it too.
func (h *house) start() {
	h.t.Helper()
	var err error
	h.cache, err = cache.Open(context.Background(), filepath.Join(h.dir, "cache.db"), cache.Options{Log: quiet(), Now: h.clk.now})
	must(h.t, err)
	key := filepath.Join(h.dir, "seal.key")
	if f, err := seal.OpenFile(key); err == nil {
		h.sealer = f
	} else if errors.Is(err, os.ErrNotExist) {
		h.sealer, err = seal.CreateFile(key)
		must(h.t, err)
	} else {
		h.t.Fatal(err)
	}
	var p provider.Provider = h.srv
	if h.only {
		p = onlyFetch{h.srv}
	}
	h.d, err = New(Options{
		Provider: p, Cache: h.cache, Sealer: h.sealer, Policy: h.policy, Machine: h.machine, Realm: realm,
		Version: "test", Log: quiet(), Now: h.clk.now, Boottime: h.clk.elapsed, LocalFiles: h.root,
	})
	must(h.t, err)
	h.end = func() {}
}

func (h *house) run() *house {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.d.Run(ctx) }()
	h.end = func() { cancel(); <-done }
	return h
}

func (h *house) stop() {
	h.t.Helper()
	h.end()
	must(h.t, h.cache.Close())
}

func (h *house) restart() { h.t.Helper(); h.stop(); h.start() }

func (h *house) online() *house {
	h.t.Helper()
	h.run()
	h.wait("online", func() bool { return h.d.link.now() == online })
	return h
}

// wait waits for a condition, and fails when it does not come.
func (h *house) wait(what string, ok func() bool) {
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
func (h *house) lost() {
	h.t.Helper()
	h.srv.be(down)
	h.wait("offline", func() bool { return h.d.link.now() == offline && h.d.link.justFailed() })
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
	c.told = append(c.told, text)
	if c.leaves {
		return errors.New("the person went away")
	}
	return nil
}

// login asks as root, by the password phase.
func (h *house) login(name string, answers ...string) (identity.Verdict, *typist) {
	h.t.Helper()
	conv := typing(answers...)
	return h.d.Decide(context.Background(), identity.Login{Operation: identity.OpAuthenticate, Service: "test", User: name}, conv), conv
}

func (h *house) expect(want identity.Code, name string, answers ...string) *typist {
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

func (h *house) phase(op identity.Operation, name string) identity.Code {
	h.t.Helper()
	return h.d.Decide(context.Background(), identity.Login{Operation: op, Service: "test", User: name}, typing()).Code
}
