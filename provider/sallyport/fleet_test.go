package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// pair is a realm with two servers, as far as its machine can tell.
type pair struct {
	*liveRealm
	first, second *providertest.Front
	o             sallyport.Options
}

func newPair(t *testing.T) *pair {
	t.Helper()
	r := newRealm(t)
	p := &pair{liveRealm: r, first: providertest.NewFront(t, r.url), second: providertest.NewFront(t, r.url)}
	p.o = r.options("box")
	p.o.URL, p.o.Others = p.first.URL(), []string{p.second.URL()}
	return p
}

// within is a context with the time that the daemon gives one step by default.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const codeKey = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// withCode is alice, who has a one-time code.
func (p *pair) withCode() {
	p.t.Helper()
	p.account("alice")
	p.do(p.admin.AddTOTP(p.t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(codeKey)}))
}

// signIn is a login as the daemon goes through it: begun anew where the provider says so.
// before is called before each step, with its number. It returns how often it was begun
// anew, and how often a code that was sent may be used up.
func (p *pair) signIn(m *sallyport.Provider, before func(step int)) (out provider.Reply, anew, spent int) {
	p.t.Helper()
	type answer struct {
		kind identity.FactorKind
		text func() string
	}
	later := time.Duration(0)
	answers := []answer{
		{identity.Password, func() string { return testPassword }},
		{identity.TOTP, func() string {
			code, err := totp.GenerateCode(codeKey, time.Now().Add(later))
			p.do(nil, err)
			return code
		}},
	}
	step := 0
	tell := func() {
		if before != nil {
			before(step)
		}
		step++
	}
	for {
		tell()
		e, reply, err := m.Begin(within(p.t.(*testing.T)), provider.Attempt{Name: "alice", Service: "test"})
		if err != nil || reply.Outcome != provider.Continue {
			p.t.Fatalf("begin: %+v %v", reply, err)
		}
		for _, a := range answers {
			tell()
			reply, err = e.Step(within(p.t.(*testing.T)), provider.Answer{Kind: a.kind, Credential: secret(a.text())})
			if err != nil || reply.Outcome != provider.Continue {
				break
			}
		}
		var lost *provider.AnewError
		if !errors.As(err, &lost) {
			p.do(nil, err)
			return reply, anew, spent
		}
		if !errors.Is(err, provider.ErrOffline) {
			p.t.Errorf("whoever does not begin anew does not take it for a server that is away: %v", err)
		}
		if anew++; anew > 2 {
			p.t.Fatalf("it is begun anew without end: %v", err)
		}
		if lost.Sent {
			spent++
			later = 30 * time.Second
		}
	}
}

// failures is what is counted against alice.
func (p *pair) failures() int {
	p.t.Helper()
	v, err := p.admin.ShowAccount(p.t.Context(), &v1.NameRequest{Name: "alice"})
	p.do(v, err)
	return int(v.GetFailures())
}

// Promise servers-login.
func TestALoginIsFinishedAtAnotherServerWhenItsOwnGoesAway(t *testing.T) {
	for sentence, c := range map[string]struct {
		at        int // before which step: 0 is Begin
		goes      func(*providertest.Front)
		anew      int
		lostCodes int
	}{
		"cut before it begins":     {0, (*providertest.Front).Cut, 0, 0},
		"cut before the password":  {1, (*providertest.Front).Cut, 1, 0},
		"cut before the code":      {2, (*providertest.Front).Cut, 1, 0},
		"hangs before it begins":   {0, (*providertest.Front).Stall, 0, 0},
		"hangs at the password":    {1, (*providertest.Front).Stall, 1, 1},
		"hangs at the code":        {2, (*providertest.Front).Stall, 1, 1},
		"no answer to its begin":   {0, (*providertest.Front).Silence, 0, 0},
		"no answer to a password":  {1, (*providertest.Front).Silence, 1, 1},
		"no answer to a code":      {2, (*providertest.Front).Silence, 1, 1},
		"nothing happens":          {-1, nil, 0, 0},
		"the other one is cut off": {0, nil, 0, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.withCode()
			m := open(t, p.o)
			if c.goes == nil {
				p.second.Cut()
			}
			out, anew, spent := p.signIn(m, func(step int) {
				if step != c.at || c.goes == nil {
					return
				}
				if c.goes(p.first); p.first.IsCut() {
					// Until this machine has noticed, a request may be on its way for all it knows.
					_, err := m.Fetch(within(t), "alice")
					p.do(nil, err)
				}
			})
			if out.Outcome != provider.Allow || anew != c.anew || spent != c.lostCodes {
				t.Errorf("outcome %d, begun anew %d times, want %d; %d answers may be used up, want %d", out.Outcome, anew, c.anew, spent, c.lostCodes)
			}
			if n := p.failures(); n != 0 {
				t.Errorf("%d failures are counted", n)
			}
			if c.goes == nil {
				return
			}
			for _, s := range m.Servers() {
				if down := s.URL == p.first.URL(); s.InUse == down || (s.State == "down") != down || (s.Down != nil) != down {
					t.Errorf("status says %+v", s)
				}
			}
		})
	}
}

// Promise servers-login.
func TestAStepThatReachesAServerWithoutTheAttemptIsNoRefusal(t *testing.T) {
	p := newPair(t)
	p.withCode()
	m := open(t, p.o)
	started := false
	out, anew, spent := p.signIn(m, func(step int) {
		if step == 2 && !started { // the password is proved, and the server starts anew
			started = true
			address := p.url[len("https://"):]
			p.stop()
			p.start(address)
		}
	})
	if out.Outcome != provider.Allow || anew != 1 || spent > 0 {
		t.Errorf("outcome %d, begun anew %d times, %d answers may be used up", out.Outcome, anew, spent)
	}
	if n := p.failures(); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
}

// Promise servers-offline.
func TestWhereNoServerAnswersTheMachineIsOffline(t *testing.T) {
	p := newPair(t)
	p.withCode()
	m := open(t, p.o)
	if _, err := m.Fetch(within(t), "alice"); err != nil {
		t.Fatal(err)
	}
	e, _, err := m.Begin(within(t), provider.Attempt{Name: "alice", Service: "test"})
	p.do(nil, err)
	p.first.Cut()
	p.second.Cut()
	// A connection that is not known to be cut takes what is sent, which may have arrived for all
	// that the machine knows. This finds it out.
	if _, err := m.Fetch(within(t), "alice"); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("fetch: %v", err)
	}
	var lost *provider.AnewError
	if _, err := e.Step(within(t), provider.Answer{Kind: identity.Password, Credential: secret(testPassword)}); !errors.As(err, &lost) || lost.Sent {
		t.Errorf("a step: %v", err)
	}
	for what, ask := range map[string]func() error{
		"begin": func() error {
			_, _, err := m.Begin(within(t), provider.Attempt{Name: "alice"})
			return err
		},
		"fetch": func() error { _, err := m.Fetch(within(t), "alice"); return err },
		"list":  func() error { _, err := m.List(within(t), func(provider.Record) error { return nil }); return err },
		"watch": func() error {
			return m.Watch(within(t), provider.Position{}, nil, func(provider.Event) error { return nil })
		},
		"password": func() error {
			_, err := m.ChangePassword(within(t), "alice", identity.Seat(), secret(testPassword), identity.Secret{}, secret("another long one"))
			return err
		},
	} {
		if err := ask(); !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) || errors.As(err, &lost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// No wait keeps it from a server that is back.
	p.second.Restore()
	if _, err := m.Fetch(within(t), "alice"); err != nil {
		t.Errorf("one is back: %v", err)
	}
}

// A change of the password that a server may have made is not made twice: the second would
// say that the old password is wrong.
// Promise servers-login.
func TestAPasswordIsNotChangedTwice(t *testing.T) {
	for sentence, c := range map[string]struct {
		goes func(*providertest.Front)
		done bool
		sent bool
	}{
		"it never got there": {(*providertest.Front).Cut, true, false},
		// Whether the realm's passwords are registered is asked first, and asked again elsewhere.
		"no answer at first": {(*providertest.Front).Silence, true, false},
		"no answer":          {(*providertest.Front).SilenceAtSecond, false, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.account("alice")
			m := open(t, p.o)
			if sentence != "it never got there" { // it is connected
				_, err := m.Fetch(within(t), "alice")
				p.do(nil, err)
			}
			c.goes(p.first)
			_, err := m.ChangePassword(within(t), "alice", identity.Seat(), secret(testPassword), identity.Secret{}, secret("another long one"))
			var lost *provider.AnewError
			if (err == nil) != c.done || errors.As(err, &lost) != c.sent || errors.Is(err, provider.ErrDenied) {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

// A crowd in the middle of its logins finishes at the other server, and nothing is counted.
// Promise servers-login.
func TestACrowdIsFinishedAtAnotherServer(t *testing.T) {
	const crowd = 16 // as many as the daemon asks for at once
	p := newPair(t)
	p.account("alice")
	m := open(t, p.o)
	begin := func(ctx context.Context) (provider.Exchange, error) {
		e, _, err := m.Begin(ctx, provider.Attempt{Name: "alice", Service: "test", Origin: identity.Seat()})
		return e, err
	}
	var waiting []provider.Exchange
	for range crowd {
		e, err := begin(within(t))
		p.do(nil, err)
		waiting = append(waiting, e)
	}
	p.first.Cut()
	errs := make(chan error, crowd)
	for _, e := range waiting {
		go func() {
			right := provider.Answer{Kind: identity.Password, Credential: secret(testPassword)}
			reply, err := e.Step(t.Context(), right)
			var lost *provider.AnewError
			if errors.As(err, &lost) {
				if e, err = begin(t.Context()); err == nil {
					reply, err = e.Step(t.Context(), right)
				}
			}
			if err == nil && reply.Outcome != provider.Allow {
				err = errors.New("refused: " + reply.Message)
			}
			errs <- err
		}()
	}
	for range crowd {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := p.failures(); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
}

// Whoever goes away before the answer says nothing about the server.
// Promise servers-health.
func TestAnAbandonedRequestBlamesNobody(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	m := open(t, p.o)
	_, err := m.Fetch(within(t), "alice")
	p.do(nil, err)
	p.first.Stall()
	ctx, leave := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, leave)
	if _, err := m.Fetch(ctx, "alice"); err == nil {
		t.Error("it was answered")
	}
	if s := m.Servers()[0]; s.State != "up" {
		t.Errorf("%+v", s)
	}
}
