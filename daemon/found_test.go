package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// newGroups is a testMachine whose server has the group stuff, and nobody in it.
func newGroups(t testing.TB, tweak ...func(*testMachine)) *testMachine {
	t.Helper()
	return newTestMachine(t, append([]func(*testMachine){func(h *testMachine) {
		h.groups = &groupServer{groups: map[uuid.UUID]identity.Group{stuff.UUID: stuff}}
	}}, tweak...)...)
}

var tools = identity.Group{UUID: uuid.MustParse("22222222-2222-4222-8222-222222222222"), Name: "tools", GID: 1900000002}

// expectGroup asks by name and by gid, and wants these members.
func (h *testMachine) expectGroup(want identity.Group, members ...identity.Name) {
	h.t.Helper()
	for how, ask := range map[string]func() (identity.GroupEntry, error){
		"by name": func() (identity.GroupEntry, error) { return h.d.GroupByName(bg, string(want.Name)) },
		"by gid":  func() (identity.GroupEntry, error) { return h.d.GroupByGID(bg, want.GID) },
	} {
		g, err := ask()
		if err != nil || g.UUID != want.UUID || g.Name != want.Name || g.GID != want.GID || !slices.Equal(g.Members, members) {
			h.t.Errorf("%s: %+v, %v; want %+v with %v", how, g, err, want, members)
		}
	}
}

// expectNoGroup wants this error by name and by gid.
func (h *testMachine) expectNoGroup(want error, g identity.Group) {
	h.t.Helper()
	if got, err := h.d.GroupByName(bg, string(g.Name)); !errors.Is(err, want) {
		h.t.Errorf("%s: %+v, %v; want %v", g.Name, got, err, want)
	}
	if got, err := h.d.GroupByGID(bg, g.GID); !errors.Is(err, want) {
		h.t.Errorf("%d: %+v, %v; want %v", g.GID, got, err, want)
	}
}

// listed are the names of the groups in the list and in the view, which are the same.
func (h *testMachine) listed() string {
	h.t.Helper()
	var list, view []string
	must(h.t, h.d.Groups(bg, func(g identity.GroupEntry) error { list = append(list, string(g.Name)); return nil }))
	v, err := h.d.View(bg)
	must(h.t, err)
	last := uint32(0)
	for g := range v.Groups() {
		if g.GID <= last {
			h.t.Error("the view is not in order")
		}
		last = g.GID
		view = append(view, string(g.Name))
	}
	slices.Sort(list)
	slices.Sort(view)
	if !slices.Equal(list, view) {
		h.t.Errorf("listed %v, in the view %v", list, view)
	}
	return strings.Join(list, " ")
}

// Promise groups-on-demand.
func TestAGroupThatNobodyIsInIsFoundListedAndKept(t *testing.T) {
	h := newGroups(t)
	for _, by := range []struct {
		how string
		ask func() error
	}{
		{"name", func() error { _, err := h.d.GroupByName(bg, "stuff"); return err }},
		{"gid", func() error { _, err := h.d.GroupByGID(bg, stuff.GID); return err }},
		{"alias", func() error { _, err := h.d.GroupByName(bg, "STUFF@example.org"); return err }},
	} {
		must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil))
		if h.listed() != "" {
			t.Fatalf("listed before it was asked for: %s", h.listed())
		}
		before := h.d.Revisions().Content
		if err := by.ask(); err != nil {
			t.Fatal(by.how, err)
		}
		if h.listed() != "stuff" || h.d.Revisions().Content == before {
			t.Errorf("by %s: listed %q", by.how, h.listed())
		}
	}
	asked := h.groups.asked.Load()
	h.expectGroup(stuff)
	if n := h.groups.asked.Load() - asked; n != 0 {
		t.Errorf("%d questions for what is known", n)
	}
	if s := h.status(); s.Cache.Groups != 1 || slices.Contains(s.Providers[0].Missing, "find groups") {
		t.Errorf("status: %+v, %v", s.Cache, s.Providers[0].Missing)
	}
	h.srv.be(down)
	h.restart()
	h.expectGroup(stuff)
	if h.listed() != "stuff" {
		t.Error("not listed after a restart")
	}
	h.expectNoGroup(identity.ErrUnavailable, tools)
	h.srv.be(up)
}

// Promise groups-on-demand.
func TestAGroupThatIsMadeALittleLaterIsFound(t *testing.T) {
	h := newGroups(t)
	h.expectNoGroup(identity.ErrNotFound, tools)
	h.groups.set(tools)
	h.clk.pass(noFor)
	h.expectGroup(tools)
}

// Promise groups-on-demand.
func TestOneQuestionForAGroupIsAskedForAllAndHoldsUpNobodyElse(t *testing.T) {
	h := newGroups(t, func(h *testMachine) { h.policy.LookupTimeout = time.Minute })
	h.groups.set(tools)
	h.expectGroup(tools)
	before := h.groups.asked.Load()
	let := make(chan struct{})
	h.groups.change(func(map[uuid.UUID]identity.Group) { h.groups.hold = let })
	ctx, leave := context.WithCancel(bg)
	var wg, asking sync.WaitGroup
	asking.Add(50)
	for range 50 {
		wg.Go(func() {
			asking.Done()
			if _, err := h.d.GroupByName(ctx, "stuff"); !errors.Is(err, identity.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	h.wait("the question", func() bool { return h.groups.asked.Load() > before })
	h.expectGroup(tools) // is known
	leave()              // whoever loses patience goes
	wg.Wait()
	if n := h.groups.asked.Load() - before; n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
	close(let) // and the answer is learnt all the same
	h.wait("the group", func() bool { return h.d.Directory().CountOnDemand() == 2 })
}

// Promise groups-on-demand-rules.
func TestAServerThatAnswersWithAnotherGroupIsNotBelieved(t *testing.T) {
	h := newGroups(t)
	h.groups.instead.Store(identity.Name("stuff"))
	if _, err := h.d.GroupByName(bg, "tools"); !errors.Is(err, provider.ErrOffline) || h.d.Directory().CountOnDemand() != 0 {
		t.Fatal(err)
	}
}

// Promise groups-on-demand-rules.
func TestAFoundGroupIsRefusedByTheRulesForAllGroups(t *testing.T) {
	outside, reserved, odd := tools, tools, tools
	outside.GID, reserved.GID, odd.Name = 70000, 61184, "To:ols"
	for sentence, g := range map[string]identity.Group{"outside the ranges": outside, "reserved": reserved, "an odd name": odd} {
		t.Run(sentence, func(t *testing.T) {
			h := newGroups(t)
			h.groups.set(g)
			h.expectNoGroup(identity.ErrNotFound, g)
			signed := []byte("a server may send what the signer would refuse")
			h.d.ApplyGroup(provider.GroupRecord{Signed: signed, Token: &identity.GroupToken{Realm: realm, Group: g, Revision: 1}}, h.clk.now())
			h.expectNoGroup(identity.ErrNotFound, g)
			if h.listed() != "" {
				t.Errorf("listed: %s", h.listed())
			}
			if s := h.status(); !slices.ContainsFunc(s.Providers[0].Refused, func(r report.Refusal) bool { return strings.HasPrefix(r.Name, "group ") }) {
				t.Errorf("status does not tell: %v", s.Providers[0].Refused)
			}
		})
	}
	t.Run("of another realm", func(t *testing.T) {
		h := newGroups(t)
		h.d.ApplyGroup(provider.GroupRecord{Signed: []byte{1}, Token: &identity.GroupToken{Realm: "elsewhere", Group: tools}}, h.clk.now())
		if h.listed() != "" {
			t.Errorf("listed: %s", h.listed())
		}
	})
}

// refreshed makes everything old, and fetches it anew.
func (h *testMachine) refreshed() {
	h.t.Helper()
	h.clk.pass(h.d.p.RefreshEvery)
	h.truth.pass(h.d.p.RefreshEvery)
	must(h.t, h.d.Refresh(bg))
}

func (h *testMachine) refuses(name string) bool {
	h.t.Helper()
	return slices.ContainsFunc(h.status().Providers[0].Refused, func(r report.Refusal) bool { return r.Name == name })
}

// Promise groups-on-demand-rules.
func TestANewerAnswerCorrectsAFoundGroup(t *testing.T) {
	t.Run("renamed", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(stuff)
		renamed := stuff
		renamed.Name = "personnel"
		h.groups.set(renamed)
		h.refreshed()
		if h.listed() != "personnel" {
			t.Error("not known before it is asked for again:", h.listed())
		}
		h.expectGroup(renamed)
		h.srv.be(down)
		h.restart()
		h.expectGroup(renamed)
	})
	t.Run("deleted", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(stuff)
		h.groups.remove(stuff.UUID)
		before := h.d.Revisions()
		h.refreshed()
		if after := h.d.Revisions(); after.Urgent == before.Urgent {
			t.Error("its end is not urgent")
		}
		h.expectNoGroup(identity.ErrNotFound, stuff)
		h.srv.be(down)
		h.restart()
		h.expectNoGroup(identity.ErrUnavailable, stuff)
		if h.listed() != "" {
			t.Error("back from the disk")
		}
	})
	t.Run("renumbered, which is refused and said", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(stuff)
		moved := stuff
		moved.GID++
		h.groups.set(moved)
		h.refreshed()
		if !h.refuses("group stuff") {
			t.Errorf("not said before it is asked for again: %v", h.status().Providers[0].Refused)
		}
		for _, after := range []string{"", "a restart", "being asked again"} {
			if after == "a restart" {
				h.restart()
			}
			h.expectNoGroup(identity.ErrNotFound, stuff)
			h.expectNoGroup(identity.ErrNotFound, moved)
			if !h.refuses("group stuff") || h.listed() != "" {
				t.Errorf("after %s: refused %v, listed %q", after, h.status().Providers[0].Refused, h.listed())
			}
		}
		h.groups.set(stuff)
		h.refreshed()
		h.expectGroup(stuff)
	})
	inherited := func(t *testing.T) (*testMachine, identity.Group) {
		h := newGroups(t)
		h.expectGroup(stuff)
		heir := tools
		heir.Name = "stuff"
		h.groups.remove(stuff.UUID)
		h.groups.set(heir)
		return h, heir
	}
	t.Run("another has its name", func(t *testing.T) {
		h, heir := inherited(t)
		h.refreshed()
		h.expectGroup(heir)
	})
	t.Run("another has its name, and is asked for by number", func(t *testing.T) {
		h, heir := inherited(t)
		if g, err := h.d.GroupByGID(bg, heir.GID); err != nil || g.UUID != heir.UUID {
			t.Errorf("%+v, %v", g, err)
		}
		h.expectGroup(heir)
		if h.listed() != "stuff" {
			t.Error(h.listed())
		}
	})
	t.Run("another has its number, which is refused and said", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(stuff)
		heir := tools
		heir.GID = stuff.GID
		h.groups.remove(stuff.UUID)
		h.groups.set(heir)
		h.refreshed()
		h.expectNoGroup(identity.ErrNotFound, stuff)
		h.expectNoGroup(identity.ErrNotFound, heir)
		if !h.refuses("group tools") {
			t.Errorf("status does not tell: %v", h.status().Providers[0].Refused)
		}
		h.restart()
		h.expectNoGroup(identity.ErrNotFound, heir)
	})
}

// Promise groups-on-demand-rules.
func TestAGIDOnceSeenIsNeverAnotherGroups(t *testing.T) {
	h := newGroups(t)
	h.expectGroup(stuff)
	h.groups.remove(stuff.UUID)
	h.refreshed()
	heir := tools
	heir.GID = stuff.GID
	h.groups.set(heir)
	h.expectNoGroup(identity.ErrNotFound, heir)
	h.restart()
	h.expectNoGroup(identity.ErrNotFound, heir)
}

// Promise groups-on-demand-rules.
func TestWhatIsLocalIsNotAskedForAndNotServed(t *testing.T) {
	h := newGroups(t)
	h.local("group", "stuff:x:50:\nwheel:x:1900000002:\n")
	h.groups.set(tools)
	h.expectNoGroup(identity.ErrNotFound, identity.Group{Name: "stuff", GID: tools.GID})
	if n := h.groups.asked.Load(); n != 0 {
		t.Errorf("%d questions", n)
	}
	h.expectNoGroupByName("tools") // its number is local
	h.local("group", "")
	h.wait("the file", func() bool { l, err := h.d.Files().Now(); return err == nil && !has(l, "stuff") })
	h.expectGroup(stuff)
	h.local("group", "stuff:x:50:\n")
	h.wait("the file", func() bool { l, err := h.d.Files().Now(); return err == nil && has(l, "stuff") })
	h.expectNoGroup(identity.ErrNotFound, stuff)
	if strings.Contains(h.listed(), "stuff") {
		t.Error("listed")
	}
}

func (h *testMachine) expectNoGroupByName(name string) {
	h.t.Helper()
	if g, err := h.d.GroupByName(bg, name); !errors.Is(err, identity.ErrNotFound) {
		h.t.Errorf("%+v, %v", g, err)
	}
}

// has tells whether a local group has the name.
func has(l directory.Local, group string) bool { _, ok := l.GidOf(group); return ok }
