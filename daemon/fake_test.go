package daemon

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
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
	steps   atomic.Int64 // under way now
	most    atomic.Int64 // of them at once

	mu         sync.Mutex
	signer     *identity.Signer
	keyring    *identity.Keyring
	machine    uuid.UUID
	now        func() time.Time
	starts     atomic.Int64
	people     map[uuid.UUID]*person
	log        []provider.Event
	changed    chan struct{}
	cut        chan struct{} // closed to end every stream
	tamper     func(*provider.Reply)
	holdStep   chan struct{} // when set, a step waits for it or its context
	lostStep   bool          // steps fail as if the network went
	lostBy     error         // by which; nil: ErrOffline
	lostAt     int64         // so does the step of that number, from the next on
	broken     atomic.Value  // an identity.Name: fetching it gets no answer
	refusesKey atomic.Bool   // SetSealingKey
	disowns    atomic.Bool   // the realm has taken back a key

	certificatesOnly atomic.Bool

	instead  atomic.Value // an identity.Name: it is answered with, whoever is asked for
	silent   bool         // a stream sends its backlog and no CaughtUp
	reset    bool
	history  uuid.UUID
	address  string                       // "": the one of always
	sealTo   []byte                       // registered by the machine
	tampered func(*provider.SealedFactor) // what is sealed, on its way
}

type person struct {
	token    identity.IDToken
	password string
	// codeCounts tells that the code of the login is enough for a change.
	codeCounts bool
	code       string
	locked     bool
	secret     string // base32: real codes, in place of code
	lastStep   int64
	shared     bool // policy: the machine may hold the secret
	failures   int
	backup     []string // codes, each good once
}

func newServer(t testing.TB, machine uuid.UUID, now func() time.Time) *server {
	t.Helper()
	return newServerOf(t, realm, machine, now)
}

func newServerOf(t testing.TB, realm string, machine uuid.UUID, now func() time.Time) *server {
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

var stuff = identity.Group{UUID: uuid.MustParse("11111111-1111-4111-8111-111111111111"), Name: "stuff", GID: 1900000001}

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

// Disowning tells whether the realm has taken back a key.
func (s *server) Disowning() bool { return s.disowns.Load() }

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
	e.Position, e.ServerTime = provider.Position{History: s.history, Revision: uint64(len(s.log) + 1)}, s.now()
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
	default:
		return nil
	}
}

func (s *server) Name() string { return "fake " + cmp.Or(s.address, "https://id.example") }
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
	if s.broken.Load() == name {
		return provider.Record{}, provider.ErrOffline
	}
	if other, is := s.instead.Load().(identity.Name); is {
		name = other
	}
	return s.fetch(ctx, func(p *person) bool { return p.token.Account.Name == name })
}

func (s *server) FetchUID(ctx context.Context, uid uint32) (provider.Record, error) {
	return s.fetch(ctx, func(p *person) bool { return p.token.Account.UID == uid })
}

func (s *server) List(ctx context.Context, each func(provider.Record) error) (provider.Position, error) {
	if err := s.answer(ctx); err != nil {
		return provider.Position{}, err
	}
	s.mu.Lock()
	var all []provider.Record
	for _, p := range s.people {
		all = append(all, s.record(nil, p))
	}
	position := provider.Position{History: s.history, Revision: uint64(len(s.log))}
	s.mu.Unlock()
	for _, r := range all {
		if err := each(r); err != nil {
			return provider.Position{}, err
		}
	}
	return position, nil
}

func (s *server) Watch(ctx context.Context, from provider.Position, _ []byte, each func(provider.Event) error) error {
	s.mu.Lock()
	cut := s.cut // before it is known how the server is: see be
	s.mu.Unlock()
	if err := s.answer(ctx); err != nil {
		return err
	}
	caught, position := false, from.Revision
	for {
		s.mu.Lock()
		var backlog []provider.Event
		if position < uint64(len(s.log)) {
			backlog = slices.Clone(s.log[position:])
		}
		changed, silent, reset := s.changed, s.silent, s.reset
		s.reset = false
		s.mu.Unlock()
		if reset {
			backlog = []provider.Event{{Kind: provider.Reset}}
		}
		for _, e := range backlog {
			if err := each(e); err != nil {
				return err
			}
			position = e.Position.Revision
		}
		if !caught && !silent {
			caught = true
			if err := each(provider.Event{Kind: provider.CaughtUp, Position: provider.Position{History: s.history, Revision: position}, ServerTime: s.now()}); err != nil {
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

// lostStepAt loses the answer of the nth step from now.
func (s *server) lostStepAt(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lostAt = n
}

type exchange struct {
	s     *server
	p     *person
	a     provider.Attempt
	done  []identity.FactorKind
	fresh string // a new secret that waits for its code
	ready bool   // what is enrolled waits for its confirmation
	nonce identity.Nonce
	heard time.Time // of it; it waits two minutes for a step
	start int64     // of the server; it knows no attempt of an earlier one
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
		x := &exchange{s: s, p: p, a: a, start: s.starts.Load()}
		return x, x.offer(identity.Password, identity.PasswordAndTOTP, identity.PIV), nil
	}
	return nil, provider.Reply{}, provider.ErrNotFound
}

func (x *exchange) offer(kinds ...identity.FactorKind) provider.Reply {
	x.nonce, x.heard = identity.Nonce{Time: x.s.now().Unix()}, x.s.now()
	_, _ = rand.Read(x.nonce.Value[:])
	return provider.Reply{Outcome: provider.Continue, Offers: kinds, ServerTime: x.s.now(), Nonce: x.nonce}
}

// left are the kinds that the account holds and that were not proved.
func (x *exchange) left() []identity.FactorKind {
	list := identity.Kinds(x.p.token.Factors)
	if (x.p.code != "" || x.p.secret != "") && !slices.Contains(list, identity.TOTP) {
		list = append(list, identity.TOTP)
	}
	return slices.DeleteFunc(list, func(k identity.FactorKind) bool { return slices.Contains(x.done, k) })
}

func (x *exchange) Step(ctx context.Context, a provider.Answer) (provider.Reply, error) {
	s := x.s
	defer s.steps.Add(-1)
	s.mu.Lock()
	s.most.Store(max(s.most.Load(), s.steps.Add(1)))
	hold, lost := s.holdStep, s.lostStep
	if s.lostAt > 0 {
		s.lostAt--
		lost = lost || s.lostAt == 0
	}
	s.mu.Unlock()
	if lost {
		return provider.Reply{}, cmp.Or(s.lostBy, provider.ErrOffline)
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
	if x.start != s.starts.Load() || s.now().Sub(x.heard) > 2*time.Minute {
		return provider.Reply{Message: identity.Refused}, nil
	}
	if !x.right(a.Kind, a.Credential) {
		x.p.failures++
		return provider.Reply{Message: identity.Refused}, nil
	}
	left := x.left()
	if !identity.Enough(append(slices.Clone(left), x.done...), x.done) || a.More && len(left) > 0 {
		return x.offer(left...), nil
	}
	if r, more := x.enrolling(); more {
		return r, nil
	}
	x.p.failures = 0
	now := s.now()
	codes := x.alter()
	r := provider.Reply{Outcome: provider.Allow, BackupCodes: codes, Record: s.record(nil, x.p), ServerTime: now, Session: &identity.SessionToken{
		Realm: x.p.token.Realm, ID: uuid.New(), Account: x.p.token.Account.UUID, Machine: s.machine, Methods: x.done,
		AuthenticatedAt: now.Unix(), ExpiresAt: now.Add(time.Hour).Unix(),
	}}
	if slices.Contains(x.done, identity.TOTP) { // as the real one
		r.Sealed = s.sealed(x.p, s.machine)
	}
	if s.tamper != nil {
		s.tamper(&r)
	}
	return r, nil
}
