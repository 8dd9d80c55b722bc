package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// mute is a server that does not tell when a password changes.
type mute struct{ *server }

func (mute) PasswordEpochsStatic() {}

// changeUnseen gives alice another password under the same epoch.
func (h *testMachine) changeUnseen(password string) {
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	h.srv.people[h.alice()].password = password
}

func TestAServersNoEndsThePasswordThatItIsAbout(t *testing.T) {
	for sentence, c := range map[string]struct {
		coded  bool
		before func(h *testMachine)
		typed  func(h *testMachine) []string
		left   int
	}{
		"a no to the one that is kept": {false, func(h *testMachine) { h.changeUnseen("other") }, func(*testMachine) []string { return []string{"secret"} }, 0},
		"a no to another":              {false, func(*testMachine) {}, func(*testMachine) []string { return []string{"wrong"} }, 1},
		"a lock": {false, func(h *testMachine) {
			h.srv.mu.Lock()
			defer h.srv.mu.Unlock()
			h.srv.people[h.alice()].locked = true
		}, func(*testMachine) []string { return []string{"secret"} }, 1},
		"a no to the code beside it":         {true, func(*testMachine) {}, func(*testMachine) []string { return []string{"secret", "000000"} }, 1},
		"a no to the backup code beside it":  {true, func(*testMachine) {}, func(*testMachine) []string { return []string{"secret", "cccc-cccc-cccc"} }, 1},
		"a yes to the one that is kept":      {false, func(*testMachine) {}, func(*testMachine) []string { return []string{"secret"} }, 1},
		"a no where nothing can be compared": {false, func(h *testMachine) { must(h.t, h.cache.DeleteVerifiers(bg, h.alice())) }, func(*testMachine) []string { return []string{"wrong"} }, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), func(p *person) {
				if c.coded {
					coded(p)
				}
			})
			h.online()
			first := []string{"secret"}
			if c.coded {
				first = append(first, h.code(0))
			}
			h.expect(identity.Granted, "alice", first...)
			h.later()
			h.d.Gate.o.Provider = provider.SourceOf(mute{h.srv})
			c.before(h)
			h.login("alice", c.typed(h)...)
			if n := h.status().Cache.Verifiers; n != c.left {
				t.Errorf("%d verifiers are left", n)
			}
		})
	}
}

func TestAYesToAnotherPasswordReplacesTheOneThatIsKept(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.d.Gate.o.Provider = provider.SourceOf(mute{h.srv})
	h.changeUnseen("newer1")
	h.expect(identity.Granted, "alice", "newer1")
	h.lost()
	h.expect(identity.Denied, "alice", "secret")
	h.expect(identity.Granted, "alice", "newer1")
}

// doubtful is a server whose no may be a lock; it says no as often as told.
type doubtful struct {
	mute
	no chan struct{}
}

type doubtfulExchange struct {
	provider.Exchange
	no chan struct{}
}

func (s doubtful) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	x, r, err := s.server.Begin(ctx, a)
	return doubtfulExchange{x, s.no}, r, err
}

func (x doubtfulExchange) Step(ctx context.Context, a provider.Answer) (provider.Reply, error) {
	select {
	case <-x.no:
		return provider.Reply{Message: identity.Refused, AskAgain: time.Millisecond}, nil
	default:
		return x.Exchange.Step(ctx, a)
	}
}

func TestANoThatMayBeALockEndsNothingUntilItIsSaidAgain(t *testing.T) {
	for sentence, c := range map[string]struct{ noes, left int }{"once": {1, 1}, "twice": {2, 0}} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.expect(identity.Granted, "alice", "secret")
			no := make(chan struct{}, c.noes)
			for range c.noes {
				no <- struct{}{}
			}
			h.d.Gate.o.Provider = provider.SourceOf(doubtful{mute{h.srv}, no})
			begins := h.srv.begins.Load()
			h.expect(identity.Denied, "alice", "secret")
			h.wait("the second question", func() bool { return h.srv.begins.Load() == begins+2 })
			h.wait("its answer", func() bool {
				h.d.askedAgain.mu.Lock()
				defer h.d.askedAgain.mu.Unlock()
				return len(h.d.askedAgain.of) == 0
			})
			if n := h.status().Cache.Verifiers; n != c.left {
				t.Errorf("%d verifiers are left", n)
			}
		})
	}
}

func TestOneDoubtOfAnAccountAtATimeAndNotTooMany(t *testing.T) {
	var x pendingChecks
	first := uuid.New()
	if !x.begin(first) || x.begin(first) {
		t.Fatal("one account is in doubt twice, or not once")
	}
	for range maxDoubts - 1 {
		if !x.begin(uuid.New()) {
			t.Fatal("another account may not be in doubt")
		}
	}
	if x.begin(uuid.New()) {
		t.Error("there is no bound")
	}
	x.end(first)
	if !x.begin(first) {
		t.Error("what ended takes room")
	}
}
