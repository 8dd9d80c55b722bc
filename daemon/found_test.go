package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cache"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// groupServer is a server that can neither list nor watch, and finds groups.
type groupServer struct {
	onlyFetch
	server *server
	asked  atomic.Int64

	lock   sync.Mutex
	groups map[uuid.UUID]identity.Group
	hold   chan struct{} // when set, a question waits for it
}

func (s *groupServer) change(change func(map[uuid.UUID]identity.Group)) {
	s.lock.Lock()
	defer s.lock.Unlock()
	change(s.groups)
}

func (s *groupServer) set(list ...identity.Group) {
	s.change(func(m map[uuid.UUID]identity.Group) {
		for _, g := range list {
			m[g.UUID] = g
		}
	})
}

func (s *groupServer) remove(id uuid.UUID) {
	s.change(func(m map[uuid.UUID]identity.Group) { delete(m, id) })
}

func (s *groupServer) find(ctx context.Context, pick func(identity.Group) bool) (provider.GroupRecord, error) {
	s.asked.Add(1)
	s.lock.Lock()
	hold := s.hold
	s.lock.Unlock()
	if hold != nil {
		<-hold
	}
	if err := s.server.answer(ctx); err != nil {
		return provider.GroupRecord{}, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, g := range s.groups {
		if pick(g) {
			t := &identity.GroupToken{Realm: realm, Group: g, Revision: uint64(s.server.now().Unix())}
			signed, err := s.server.signer.SignGroupToken(t)
			if err != nil && !errors.Is(err, identity.ErrToken) {
				return provider.GroupRecord{}, err
			}
			return provider.GroupRecord{Signed: signed, Token: t}, nil
		}
	}
	return provider.GroupRecord{}, provider.ErrNotFound
}

func (s *groupServer) FetchGroup(ctx context.Context, name identity.Name) (provider.GroupRecord, error) {
	return s.find(ctx, func(g identity.Group) bool { return g.Name == name })
}

func (s *groupServer) FetchGID(ctx context.Context, gid uint32) (provider.GroupRecord, error) {
	return s.find(ctx, func(g identity.Group) bool { return g.GID == gid })
}

func (s *groupServer) VerifyGroup(signed []byte) (*identity.GroupToken, error) {
	return s.server.keyring.GroupToken(signed)
}

// newGroups is a house whose server has the group staff, and nobody in it.
func newGroups(t testing.TB, tweak ...func(*house)) *house {
	t.Helper()
	return newHouse(t, append([]func(*house){func(h *house) {
		h.groups = &groupServer{onlyFetch: onlyFetch{h.srv}, groups: map[uuid.UUID]identity.Group{staff.UUID: staff}}
	}}, tweak...)...)
}

var tools = identity.Group{UUID: uuid.MustParse("22222222-2222-4222-8222-222222222222"), Name: "tools", GID: 1900000002}

// expectGroup asks by name and by gid, and wants these members.
func (h *house) expectGroup(want identity.Group, members ...identity.Name) {
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
func (h *house) expectNoGroup(want error, g identity.Group) {
	h.t.Helper()
	if got, err := h.d.GroupByName(bg, string(g.Name)); !errors.Is(err, want) {
		h.t.Errorf("%s: %+v, %v; want %v", g.Name, got, err, want)
	}
	if got, err := h.d.GroupByGID(bg, g.GID); !errors.Is(err, want) {
		h.t.Errorf("%d: %+v, %v; want %v", g.GID, got, err, want)
	}
}

// listed are the names of the groups in the list and in the view, which are the same.
func (h *house) listed() string {
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

func TestAGroupThatNobodyIsInIsFoundListedAndKept(t *testing.T) {
	h := newGroups(t)
	for _, by := range []struct {
		how string
		ask func() error
	}{
		{"name", func() error { _, err := h.d.GroupByName(bg, "staff"); return err }},
		{"gid", func() error { _, err := h.d.GroupByGID(bg, staff.GID); return err }},
		{"alias", func() error { _, err := h.d.GroupByName(bg, "STAFF@example.org"); return err }},
	} {
		must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil))
		if h.listed() != "" {
			t.Fatalf("listed before it was asked for: %s", h.listed())
		}
		before := h.d.Revisions().Content
		if err := by.ask(); err != nil {
			t.Fatal(by.how, err)
		}
		if h.listed() != "staff" || h.d.Revisions().Content == before {
			t.Errorf("by %s: listed %q", by.how, h.listed())
		}
	}
	asked := h.groups.asked.Load()
	h.expectGroup(staff)
	if n := h.groups.asked.Load() - asked; n != 0 {
		t.Errorf("%d questions for what is known", n)
	}
	if s := h.status(); s.Cache.Groups != 1 || slices.Contains(s.Providers[0].Missing, "find groups") {
		t.Errorf("status: %+v, %v", s.Cache, s.Providers[0].Missing)
	}
	h.srv.be(down)
	h.restart()
	h.expectGroup(staff)
	if h.listed() != "staff" {
		t.Error("not listed after a restart")
	}
	h.expectNoGroup(identity.ErrUnavailable, tools)
	h.srv.be(up)
}

func TestAGroupThatIsMadeASecondLaterIsFoundAtOnce(t *testing.T) {
	h := newGroups(t)
	h.expectNoGroup(identity.ErrNotFound, tools)
	h.groups.set(tools)
	h.expectGroup(tools)
}

func TestOneQuestionForAGroupIsAskedForAllAndHoldsUpNobodyElse(t *testing.T) {
	h := newGroups(t, func(h *house) { h.policy.LookupTimeout = time.Minute })
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
			if _, err := h.d.GroupByName(ctx, "staff"); !errors.Is(err, identity.ErrUnavailable) {
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
	h.wait("the group", func() bool { return h.d.index.countFound() == 2 })
}

func TestAServerThatAnswersWithAnotherGroupIsNotBelieved(t *testing.T) {
	h := newGroups(t)
	q := h.d.groupByName("tools")
	q.fetch = func(ctx context.Context) (provider.GroupRecord, error) { return h.groups.FetchGroup(ctx, "staff") }
	if err := h.d.fetchGroup(bg, q, true); !errors.Is(err, provider.ErrOffline) || h.d.index.countFound() != 0 {
		t.Fatal(err)
	}
}

func TestAFoundGroupIsRefusedByTheRulesForAllGroups(t *testing.T) {
	outside, reserved, odd := tools, tools, tools
	outside.GID, reserved.GID, odd.Name = 70000, 61184, "To:ols"
	for sentence, g := range map[string]identity.Group{"outside the ranges": outside, "reserved": reserved, "an odd name": odd} {
		t.Run(sentence, func(t *testing.T) {
			h := newGroups(t)
			h.groups.set(g)
			h.expectNoGroup(identity.ErrNotFound, g)
			// As if the server answered so to another question.
			signed, _ := h.srv.signer.SignGroupToken(&identity.GroupToken{Realm: realm, Group: g, Revision: 1})
			h.d.learnGroup(provider.GroupRecord{Signed: signed, Token: &identity.GroupToken{Realm: realm, Group: g, Revision: 1}}, h.clk.now())
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
		h.d.learnGroup(provider.GroupRecord{Signed: []byte{1}, Token: &identity.GroupToken{Realm: "elsewhere", Group: tools}}, h.clk.now())
		if h.listed() != "" {
			t.Errorf("listed: %s", h.listed())
		}
	})
}

// refreshed makes everything old, and fetches it anew.
func (h *house) refreshed() {
	h.t.Helper()
	h.clk.pass(h.d.p.RefreshEvery)
	h.truth.pass(h.d.p.RefreshEvery)
	must(h.t, h.d.refresh(bg))
}

func (h *house) refuses(name string) bool {
	h.t.Helper()
	return slices.ContainsFunc(h.status().Providers[0].Refused, func(r report.Refusal) bool { return r.Name == name })
}

func TestANewerAnswerCorrectsAFoundGroup(t *testing.T) {
	t.Run("renamed", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(staff)
		renamed := staff
		renamed.Name = "personnel"
		h.groups.set(renamed)
		h.refreshed()
		h.expectGroup(renamed)
		if h.listed() != "personnel" {
			t.Error(h.listed())
		}
		h.srv.be(down)
		h.restart()
		h.expectGroup(renamed)
	})
	t.Run("deleted", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(staff)
		h.groups.remove(staff.UUID)
		before := h.d.Revisions()
		h.refreshed()
		if after := h.d.Revisions(); after.Urgent == before.Urgent {
			t.Error("its end is not urgent")
		}
		h.expectNoGroup(identity.ErrNotFound, staff)
		h.srv.be(down)
		h.restart()
		h.expectNoGroup(identity.ErrUnavailable, staff)
		if h.listed() != "" {
			t.Error("back from the disk")
		}
	})
	t.Run("renumbered, which is refused and said", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(staff)
		moved := staff
		moved.GID++
		h.groups.set(moved)
		h.refreshed()
		for _, after := range []string{"", "a restart", "being asked again"} {
			if after == "a restart" {
				h.restart()
			}
			h.expectNoGroup(identity.ErrNotFound, staff)
			h.expectNoGroup(identity.ErrNotFound, moved)
			if !h.refuses("group staff") || h.listed() != "" {
				t.Errorf("after %s: refused %v, listed %q", after, h.status().Providers[0].Refused, h.listed())
			}
		}
		h.groups.set(staff)
		h.refreshed()
		h.expectGroup(staff)
	})
	t.Run("another has its name", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(staff)
		heir := tools
		heir.Name = "staff"
		h.groups.remove(staff.UUID)
		h.groups.set(heir)
		h.refreshed()
		h.expectGroup(heir)
	})
	t.Run("another has its number, which is refused and said", func(t *testing.T) {
		h := newGroups(t)
		h.expectGroup(staff)
		heir := tools
		heir.GID = staff.GID
		h.groups.remove(staff.UUID)
		h.groups.set(heir)
		h.refreshed()
		h.expectNoGroup(identity.ErrNotFound, staff)
		h.expectNoGroup(identity.ErrNotFound, heir)
		if !h.refuses("group tools") {
			t.Errorf("status does not tell: %v", h.status().Providers[0].Refused)
		}
		h.restart()
		h.expectNoGroup(identity.ErrNotFound, heir)
	})
}

func TestAGIDOnceSeenIsNeverAnotherGroupsAlsoWhenTheFirstIsForgotten(t *testing.T) {
	h := newGroups(t)
	h.expectGroup(staff)
	h.groups.remove(staff.UUID)
	h.refreshed()
	heir := tools
	heir.GID = staff.GID
	h.groups.set(heir)
	h.expectNoGroup(identity.ErrNotFound, heir)
	h.restart()
	h.expectNoGroup(identity.ErrNotFound, heir)
}

func TestWhatIsLocalIsNotAskedForAndNotServed(t *testing.T) {
	h := newGroups(t)
	h.local("group", "staff:x:50:\nwheel:x:1900000002:\n")
	h.groups.set(tools)
	h.expectNoGroup(identity.ErrNotFound, identity.Group{Name: "staff", GID: tools.GID})
	if n := h.groups.asked.Load(); n != 0 {
		t.Errorf("%d questions", n)
	}
	h.expectNoGroupByName("tools") // its number is local
	h.local("group", "")
	h.wait("the file", func() bool { l, err := h.d.local.now(); return err == nil && len(l.groups.byName) == 0 })
	h.expectGroup(staff)
	h.local("group", "staff:x:50:\n")
	h.wait("the file", func() bool { l, err := h.d.local.now(); return err == nil && len(l.groups.byName) == 1 })
	h.expectNoGroup(identity.ErrNotFound, staff)
	if strings.Contains(h.listed(), "staff") {
		t.Error("listed")
	}
}

func (h *house) expectNoGroupByName(name string) {
	h.t.Helper()
	if g, err := h.d.GroupByName(bg, name); !errors.Is(err, identity.ErrNotFound) {
		h.t.Errorf("%+v, %v", g, err)
	}
}

func TestAFoundGroupMakesNobodyAMemberAndATokenDoes(t *testing.T) {
	h := newGroups(t, func(h *house) {
		h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{staff.UUID}
		h.policy.LocalGroups = map[string]uuid.UUID{"sudo": staff.UUID}
	})
	alice := token("alice", 1900000100)
	h.srv.set(t, alice, nil)
	h.expectGroup(staff)
	h.expectGroup(identity.Group{UUID: staff.UUID, Name: "staff", GID: staff.GID})
	rights := func() (gids, local int, code identity.Code) {
		t.Helper()
		ids, err := h.d.GroupsOf(bg, "alice")
		must(t, err)
		return len(ids.GIDs), len(ids.Local), h.phase(identity.OpAccount, "alice")
	}
	if gids, local, code := rights(); gids != 1 || local != 0 || code != identity.NotPermitted {
		t.Errorf("by a group that she is not in: %d groups, %d local, %v", gids, local, code)
	}
	joined := token("alice", 1900000100, staff)
	h.srv.set(t, joined, func(p *person) { p.token.Groups = joined.Groups })
	h.refreshed()
	h.expectGroup(staff, "alice")
	if gids, local, code := rights(); gids != 2 || local != 1 || code != identity.Granted {
		t.Errorf("in it: %d groups, %d local, %v", gids, local, code)
	}
	h.restart()
	h.expectGroup(staff, "alice")
	h.srv.remove(alice.Account.UUID)
	h.refreshed()
	h.expectGroup(staff)
	if h.listed() != "staff" {
		t.Error(h.listed())
	}
}

func TestAnAccountsOwnGroupIsFoundBeforeTheAccountAndIsItsOwnThen(t *testing.T) {
	h := newGroups(t)
	alice := token("alice", 1900000100)
	own := alice.Groups[0]
	h.groups.set(own)
	h.srv.set(t, alice, nil)
	h.expectGroup(own)
	if _, err := h.d.AccountByName(bg, "alice"); err != nil {
		t.Fatal(err)
	}
	h.expectGroup(own, "alice")
	h.restart()
	h.expectGroup(own, "alice")
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheForget, []byte(`{"name":"alice"}`), nil))
	if h.listed() != "" {
		t.Error("forgotten, and listed:", h.listed())
	}
	h.restart()
	if h.listed() != "" {
		t.Error("forgotten, and back from the disk:", h.listed())
	}
}

func TestACrowdThatAsksForManyGroupsFillsNeitherMemoryNorDisk(t *testing.T) {
	h := newGroups(t, func(h *house) {
		h.policy.MaxGroups, h.policy.AllowGroups = 8, []uuid.UUID{staff.UUID}
	})
	h.expectGroup(staff) // policy names it: it stays
	var crowd []identity.Group
	for i := range uint32(40) {
		crowd = append(crowd, identity.Group{UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("crowd%02d", i)), GID: 1900001000 + i})
	}
	h.groups.set(crowd...)
	check := func(what string, want ...string) {
		t.Helper()
		rows, err := h.cache.Groups(bg, "fake")
		must(t, err)
		if got := strings.Join(want, " "); h.listed() != got || len(rows) != len(want) || h.status().Cache.Groups != len(want) {
			t.Errorf("%s: %d rows, listed %q, want %q", what, len(rows), h.listed(), got)
		}
	}
	for round := range 3 {
		for _, g := range crowd {
			h.clk.pass(time.Second)
			h.expectGroup(g)
			if round > 0 && g.Name == crowd[36].Name {
				h.clk.pass(time.Second)
				h.expectGroup(crowd[31]) // asked again: another is the oldest
			}
		}
		if n := len(h.d.index.numbered); n > 16 {
			t.Errorf("%d numbers were given", n)
		}
	}
	check("in the end", "crowd31", "crowd34", "crowd35", "crowd36", "crowd37", "crowd38", "crowd39", "staff")
	for i := range 100 {
		h.expectNoGroupByName(fmt.Sprintf("nothing%d", i))
	}
	check("after names that nobody has", "crowd31", "crowd34", "crowd35", "crowd36", "crowd37", "crowd38", "crowd39", "staff")
	h.policy.MaxGroups = 4
	h.restart()
	check("with less room", "crowd37", "crowd38", "crowd39", "staff")
	if s := h.status(); len(s.Providers[0].Refused) != 0 {
		t.Error(s.Providers[0].Refused)
	}
}

func TestAFoundGroupIsAnsweredForAsLongAsPolicySays(t *testing.T) {
	h := newGroups(t, func(h *house) { h.policy.KeepNames = 24 * time.Hour })
	h.expectGroup(staff)
	h.srv.be(down)
	h.clk.pass(23 * time.Hour)
	h.expectGroup(staff)
	h.clk.pass(2 * time.Hour)
	h.expectNoGroup(identity.ErrUnavailable, staff)
	h.wait("the next try", func() bool { return !h.d.link.justFailed() })
	h.srv.be(up)
	h.expectGroup(staff)
}

func TestARememberedGroupThatDoesNotVerifyIsNotBelieved(t *testing.T) {
	h := newGroups(t)
	h.groups.set(tools)
	h.expectGroup(staff)
	h.expectGroup(tools)
	rows, err := h.cache.Groups(bg, "fake")
	must(t, err)
	if len(rows) != 2 {
		t.Fatal(rows)
	}
	// One with a bit flipped, one under another's uuid.
	flipped, stolen := rows[0], rows[1]
	flipped.Signed = slices.Clone(flipped.Signed)
	flipped.Signed[len(flipped.Signed)-1] ^= 1
	stolen.UUID = uuid.New()
	must(t, h.cache.Apply(bg, cache.Batch{Provider: "fake", Groups: []cache.Group{flipped, stolen}, Ungroup: []uuid.UUID{rows[1].UUID}}))
	h.srv.be(down)
	h.restart()
	if h.listed() != "" {
		t.Error(h.listed())
	}
	if rows, err = h.cache.Groups(bg, "fake"); err != nil || len(rows) != 0 {
		t.Error("they are still there:", rows, err)
	}
}

func TestAGroupsAnswerThatCannotBeStoredCountsAllTheSame(t *testing.T) {
	h := newGroups(t)
	must(t, h.cache.Close()) // every write is an error now
	h.expectGroup(staff)
	if !h.d.holdBack.Load() {
		t.Error("nobody is told")
	}
}

// Which token is newer says how the group is called, be it one of an account or its own.
func TestOfTwoThatSpeakOfAGroupTheNewerCountsAlsoAfterARestart(t *testing.T) {
	for sentence, later := range map[string]bool{"the account's": false, "its own": true} {
		t.Run(sentence+" is newer", func(t *testing.T) {
			h := newGroups(t)
			older, newer := staff, staff
			older.Name, newer.Name = "old", "new"
			account := func(g identity.Group, revision uint64) {
				tok := token("alice", 1900000100, g)
				tok.Revision = revision
				h.give(tok)
			}
			own := func(g identity.Group, revision uint64) {
				t := &identity.GroupToken{Realm: realm, Group: g, Revision: revision}
				signed, err := h.srv.signer.SignGroupToken(t)
				must(h.t, err)
				h.d.learnGroup(provider.GroupRecord{Signed: signed, Token: t}, h.clk.now())
			}
			if later {
				account(older, 100)
				own(newer, 200)
			} else {
				own(older, 100)
				account(newer, 200)
			}
			h.srv.be(down)
			h.expectGroup(newer, "alice")
			h.restart()
			h.expectGroup(newer, "alice")
		})
	}
}
