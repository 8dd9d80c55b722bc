package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// locking is a server whose no is for a lock that it says the next time.
type locking struct {
	mute
	who uuid.UUID
}

type lockingExchange struct {
	provider.Exchange
	by locking
}

func (s locking) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	x, r, err := s.server.Begin(ctx, a)
	return lockingExchange{x, s}, r, err
}

func (x lockingExchange) Step(context.Context, provider.Answer) (provider.Reply, error) {
	x.by.mu.Lock()
	defer x.by.mu.Unlock()
	x.by.people[x.by.who].locked = true
	return provider.Reply{Message: identity.Refused, AskAgain: time.Millisecond}, nil
}

func TestALockEndsNoPasswordThatIsAskedForAgain(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.d.Gate.o.Provider = provider.SourceOf(locking{mute{h.srv}, h.alice()})
	begins := h.srv.begins.Load()
	h.expect(identity.Denied, "alice", "secret")
	h.wait("the second question", func() bool { return h.srv.begins.Load() == begins+2 })
	h.wait("its answer", func() bool {
		h.d.askedAgain.mu.Lock()
		defer h.d.askedAgain.mu.Unlock()
		return len(h.d.askedAgain.of) == 0
	})
	if n := h.status().Cache.Verifiers; n != 1 {
		t.Errorf("%d verifiers are left", n)
	}
}

func TestAProofIsOfALoginByItsPlaceOrItsAudit(t *testing.T) {
	in := identity.LoginSession{Audit: 7, Terminal: 3, Leader: 9, Started: 11}
	unaudited, zero := in, in
	unaudited.Audit, zero.Audit = identity.NoAuditSession, 0
	for what, c := range map[string]struct {
		at, s identity.LoginSession
		want  bool
	}{
		"the same place":                   {in, in, true},
		"elsewhere in the same login":      {identity.LoginSession{Audit: 7, Leader: 4, Started: 5}, in, true},
		"another login":                    {identity.LoginSession{Audit: 8, Terminal: 3, Leader: 9, Started: 11}, in, false},
		"the same place without audit":     {unaudited, unaudited, true},
		"another place without audit":      {identity.LoginSession{Audit: identity.NoAuditSession, Leader: 4}, unaudited, false},
		"the same place, audit unknown":    {zero, zero, true},
		"another place, and audit unknown": {identity.LoginSession{Leader: 4}, zero, false},
	} {
		if got := within(c.at, c.s); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}
