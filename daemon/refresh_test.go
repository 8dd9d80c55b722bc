package daemon

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// What was fetched just after a look is the case that counts.
// What the resolver promises of its looks.
const (
	looksInSpan   = 16 // in RefreshEvery
	givenUpAfter  = 3  // entries in a row without an answer
	fetchedAtOnce = 8
)

// Promise refresh-age.
func TestNoEntryGetsOlderThanItsAge(t *testing.T) {
	h := newGroups(t, func(h *testMachine) { h.policy.RefreshEvery = 16 * time.Minute })
	h.srv.set(t, token("alice", 1900000100), nil)
	step := h.d.LookEvery()
	for offset := step / 8; offset < step; offset += step / 4 {
		must(t, h.d.Refresh(bg)) // a look
		h.clk.pass(offset)
		must(t, h.d.Handle(bg, identity.Peer{}, "cache clear", nil, nil))
		if _, err := h.d.AccountByName(bg, "alice"); err != nil {
			t.Fatal(err)
		}
		h.expectGroup(stuff)
		h.clk.pass(step - offset)
		for range 4 * looksInSpan {
			must(t, h.d.Refresh(bg))
			h.clk.pass(step) // just before the next one
			now := h.d.Clock().Now()
			if age := now.Sub(h.d.Directory().Named("alice").Fetched()); age > h.d.p.RefreshEvery {
				t.Fatalf("the account is %s old", age)
			}
			for _, g := range h.d.Directory().OnDemand() {
				if age := now.Sub(g.Fetched()); age > h.d.p.RefreshEvery {
					t.Fatalf("the group is %s old", age)
				}
			}
		}
	}
	if n := h.srv.fetches.Load(); n > 4*4*2*looksInSpan/8 {
		t.Errorf("%d questions: an entry is fetched far more often than it ages", n)
	}
	if h.d.LookEvery()*looksInSpan > h.d.p.RefreshEvery {
		t.Error("there are too few looks")
	}
}

// Promise refresh-age.
func TestAnEntryThatTheServerHasNoAnswerForKeepsNoOtherOld(t *testing.T) {
	h := newGroups(t)
	must(t, h.d.Apply(bg, resolver.Update{}))
	for i, name := range []string{"alice", "bob", "carol"} {
		h.srv.set(t, token(name, 1900000100+uint32(i)), nil)
		if _, err := h.d.AccountByName(bg, name); err != nil {
			t.Fatal(err)
		}
	}
	h.expectGroup(stuff)
	h.srv.broken.Store(identity.Name("bob"))
	begun := h.clk.now().Add(h.d.p.RefreshEvery)
	h.clk.pass(h.d.p.RefreshEvery)
	if err := h.d.Refresh(bg); err != nil && !errors.Is(err, provider.ErrOffline) {
		t.Fatal(err)
	}
	for _, name := range []identity.Name{"alice", "carol"} {
		if h.d.Directory().Named(name).Fetched().Before(begun) {
			t.Errorf("%s is as old as before", name)
		}
	}
	if h.d.Directory().OnDemand()[0].Fetched().Before(begun) {
		t.Error("the group is as old as before")
	}
	if !h.d.Directory().Named("bob").Fetched().Before(begun) {
		t.Error("who has no answer looksInSpan fetched")
	}
	// A server that is away is asked for a few, not for all.
	h.srv.broken.Store(identity.Name(""))
	h.d.Note(resolver.Answered, nil)
	for range uint32(40) {
		g := identity.Group{UUID: uuid.New(), Name: identity.Name("g" + uuid.NewString()[:8]), GID: 1900002000 + uint32(len(h.d.Directory().OnDemand()))}
		h.groups.set(g)
		h.expectGroup(g)
	}
	h.clk.pass(h.d.p.RefreshEvery)
	h.srv.be(down)
	before := h.srv.fetches.Load() + h.groups.asked.Load()
	if err := h.d.Refresh(bg); !errors.Is(err, provider.ErrOffline) {
		t.Error(err)
	}
	if n := h.srv.fetches.Load() + h.groups.asked.Load() - before; n < givenUpAfter || n > givenUpAfter+fetchedAtOnce-1 {
		t.Errorf("%d questions to a server that is away", n)
	}
}

func TestSeveralAreFetchedAnewAtATime(t *testing.T) {
	h := newGroups(t)
	must(t, h.d.Apply(bg, resolver.Update{}))
	for i := range uint32(3 * fetchedAtOnce) {
		g := identity.Group{UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("group%d", i)), GID: 1900002000 + i}
		h.groups.set(g)
		h.expectGroup(g)
	}
	h.clk.pass(h.d.p.RefreshEvery)
	before, hold := h.groups.asked.Load(), make(chan struct{})
	h.groups.change(func(map[uuid.UUID]identity.Group) { h.groups.hold = hold })
	ended := make(chan error)
	go func() { ended <- h.d.Refresh(bg) }()
	h.wait("as many questions as may be under way", func() bool { return h.groups.asked.Load()-before == fetchedAtOnce })
	close(hold)
	must(t, <-ended)
	for _, g := range h.d.Directory().OnDemand() {
		if h.d.IsOld(g.Fetched()) {
			t.Errorf("%s is as old as before", g.Name)
		}
	}
}

// The server has removed somebody and made another of that name.
// Promise refresh-age.
func TestANameThatIsAnothersNowLeavesWithWhoeverHadIt(t *testing.T) {
	h := newGroups(t)
	was := token("alice", 1900000100)
	h.srv.set(t, was, nil)
	h.expect(identity.Granted, "alice", "secret")
	h.srv.remove(was.Account.UUID)
	is := token("alice", 1900000200)
	is.Account.UUID, is.Groups[0].UUID = uuid.New(), uuid.New()
	h.srv.set(t, is, func(p *person) { p.password = "another" })
	h.refreshed()
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.UUID != is.Account.UUID {
		t.Errorf("%+v, %v", a, err)
	}
	h.expectNobody(1900000100)
	h.expect(identity.Granted, "alice", "another")
	h.srv.be(down)
	h.expect(identity.Denied, "alice", "secret")
}

func (h *testMachine) expectNobody(uid uint32) {
	h.t.Helper()
	if a, err := h.d.AccountByUID(bg, uid); !errors.Is(err, identity.ErrNotFound) {
		h.t.Errorf("%+v, %v", a, err)
	}
}

// Promise refresh-age.
func TestAnAccountThatIsRefusedIsAskedForAsOftenAsOthers(t *testing.T) {
	h := newGroups(t)
	alice := token("alice", 1900000100)
	h.srv.set(t, alice, nil)
	if _, err := h.d.AccountByName(bg, "alice"); err != nil {
		t.Fatal(err)
	}
	h.srv.set(t, alice, func(p *person) { p.token.Account.GID++; p.token.Groups[0].GID++ })
	h.refreshed()
	if h.d.Directory().Named("alice").Blocked() == "" {
		t.Fatal("she was not blocked")
	}
	before := h.srv.fetches.Load()
	for range 4 * looksInSpan {
		h.clk.pass(h.d.LookEvery())
		must(t, h.d.Refresh(bg))
	}
	if n := h.srv.fetches.Load() - before; n > 2*5 {
		t.Errorf("%d questions in four times the span", n)
	}
	h.srv.set(t, alice, func(p *person) { p.token.Account.GID--; p.token.Groups[0].GID-- })
	h.refreshed()
	if h.d.Directory().Named("alice").Blocked() != "" {
		t.Error("she is still blocked")
	}
}
