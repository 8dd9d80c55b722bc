package daemon

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// in makes the server go on in a history, and what it says from then on be of it.
func (s *server) in(h uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = h
	for _, p := range s.people {
		p.token.History = h
	}
}

// ofHistory is a testMachine whose server keeps histories, with alice in it.
func ofHistory(t *testing.T) (*testMachine, uuid.UUID) {
	t.Helper()
	h := newTestMachine(t)
	one := uuid.New()
	h.srv.in(one)
	a := token("alice", 1900000100)
	a.History = one
	h.srv.set(t, a, nil)
	h.online()
	h.wait("the history", func() bool { return h.d.Contact().History == one })
	return h, one
}

func (h *testMachine) known(name identity.Name) *directory.Entry { return h.d.Directory().Named(name) }

// Promise history-disowned.
func TestADisownedTokenLetsNobodyIn(t *testing.T) {
	h, _ := ofHistory(t)
	h.expect(identity.Granted, "alice", "secret")
	h.srv.be(down)
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
	// The server says that it lost changes, and goes before its list is read.
	reset := provider.Event{Kind: provider.Reset, Lost: true, Reason: "It was restored.", Position: provider.Position{History: uuid.New()}}
	if err := h.d.Reset(context.Background(), reset); err == nil {
		t.Fatal("the stream goes on after a reset")
	}
	disowned := func(when string) {
		t.Helper()
		if c := h.phase(identity.OpAccount, "alice"); c != identity.NotPermitted {
			t.Errorf("%s, the account phase says %d", when, c)
		}
		if v, _ := h.login("alice", "secret"); v.Code == identity.Granted {
			t.Errorf("%s, alice got in by what the server has disowned", when)
		}
		if keys, err := h.d.KeysFor(context.Background(), identity.Peer{}, "alice"); err != nil || len(keys) != 0 {
			t.Errorf("%s, keys %v, %v", when, keys, err)
		}
	}
	disowned("at once")
	h.restart()
	h.run()
	h.lost()
	disowned("after a restart")
	h.srv.in(reset.Position.History)
	h.srv.be(up)
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	h.expect(identity.Granted, "alice", "secret")
	if k := h.d.Contact(); k.Disowned || k.LostAt.IsZero() || k.LostWhy != "It was restored." {
		t.Errorf("after the list: %+v", k)
	}
}

func TestAListWinsOverWhatIsHeld(t *testing.T) {
	h, one := ofHistory(t)
	bob := token("bob", 1900000101, stuff)
	bob.History = one
	h.srv.set(t, bob, nil)
	h.wait("bob", func() bool { return h.known("bob") != nil })
	dearer := stuff
	dearer.Points = 7
	points := func() uint16 {
		for _, g := range h.d.Directory().GroupsOf(h.known("bob")) {
			if g.UUID == stuff.UUID {
				return g.Points
			}
		}
		return 0
	}
	ahead := token("alice", 1900000100, dearer)
	ahead.History, ahead.Revision, ahead.Factors[0].Epoch = one, 1<<40, 1<<40
	h.srv.mu.Lock()
	forged := h.srv.record(t, &person{token: ahead})
	h.srv.mu.Unlock()
	must(t, h.d.Apply(context.Background(), resolver.Update{Records: []provider.Record{forged}}))
	if e := h.known("alice"); e.Revision() != 1<<40 || len(h.d.Directory().GroupsOf(e)) != 2 || points() != 7 {
		t.Fatalf("held: revision %d, points %d", e.Revision(), points())
	}
	h.srv.mu.Lock()
	h.srv.reset = true
	h.srv.mu.Unlock()
	h.srv.be(down)
	h.srv.be(up)
	h.wait("the list", func() bool {
		e := h.known("alice")
		return e.Revision() < 1<<40 && len(h.d.Directory().GroupsOf(e)) == 1
	})
	h.wait("what the list says of the group", func() bool { return points() == 0 })
}

// Promise history-late-token.
func TestATokenOfALeftHistoryIsNotTaken(t *testing.T) {
	h, one := ofHistory(t)
	late := token("alice", 1900000100)
	late.History, late.Revision, late.Factors[0].Epoch = one, 1<<40, 99
	carol := token("carol", 1900000101)
	carol.History, carol.Revision = one, 1<<40
	two := uuid.New()
	h.srv.in(two)
	h.srv.be(down)
	h.lost()
	h.srv.be(up)
	h.wait("the next history", func() bool { return h.d.Contact().History == two })
	h.srv.mu.Lock()
	records := []provider.Record{h.srv.record(t, &person{token: late}), h.srv.record(t, &person{token: carol})}
	h.srv.mu.Unlock()
	must(t, h.d.Apply(context.Background(), resolver.Update{Records: records}))
	if e := h.known("alice"); e.Revision() >= 1<<40 {
		t.Error("a late token of a history that was left is taken")
	}
	if h.known("carol") != nil {
		t.Error("a late token brings back an account")
	}
}

// Promise history-late-token.
func TestATokenOfAnotherHistoryAsksTheServer(t *testing.T) {
	h, _ := ofHistory(t)
	two := uuid.New()
	h.srv.in(two) // the stream does not tell
	if why := h.d.Contact().History; why == two {
		t.Fatal("the stream told")
	}
	must(t, h.d.FetchName(context.Background(), "alice"))
	h.wait("the stream to be begun anew", func() bool { return h.d.Contact().History == two && h.d.Link().Now() == resolver.Online })
}

func TestARefreshThatIsRefusedSaysWhy(t *testing.T) {
	h, one := ofHistory(t)
	ahead := token("alice", 1900000100)
	ahead.History, ahead.Revision = one, 1<<40
	h.srv.mu.Lock()
	forged := h.srv.record(t, &person{token: ahead})
	h.srv.mu.Unlock()
	must(t, h.d.Apply(context.Background(), resolver.Update{Records: []provider.Record{forged}}))
	args, err := json.Marshal(report.NameArgs{Name: "alice"})
	must(t, err)
	err = h.d.Handle(context.Background(), identity.Peer{UID: 0}, report.VerbCacheRefresh, args, func(any) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "older than the one that this machine holds") {
		t.Errorf("cache refresh says %v", err)
	}
	h.wait("the list", func() bool { return h.known("alice").Revision() < 1<<40 })
}
