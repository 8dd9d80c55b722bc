package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise groups-on-demand-members.
func TestAFoundGroupMakesNobodyAMemberAndATokenDoes(t *testing.T) {
	h := newGroups(t, func(h *testMachine) {
		h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID}
		h.policy.LocalGroups = map[string]uuid.UUID{"sudo": stuff.UUID}
	})
	alice := token("alice", 1900000100)
	h.srv.set(t, alice, nil)
	h.expectGroup(stuff)
	h.expectGroup(identity.Group{UUID: stuff.UUID, Name: "stuff", GID: stuff.GID})
	rights := func() (gids, local int, code identity.Code) {
		t.Helper()
		ids, err := h.d.GroupsOf(bg, "alice")
		must(t, err)
		return len(ids.GIDs), len(ids.Local), h.phase(identity.OpAccount, "alice")
	}
	if gids, local, code := rights(); gids != 1 || local != 0 || code != identity.NotPermitted {
		t.Errorf("by a group that she is not in: %d groups, %d local, %v", gids, local, code)
	}
	joined := token("alice", 1900000100, stuff)
	h.srv.set(t, joined, func(p *person) { p.token.Groups = joined.Groups })
	h.refreshed()
	h.expectGroup(stuff, "alice")
	if gids, local, code := rights(); gids != 2 || local != 1 || code != identity.Granted {
		t.Errorf("in it: %d groups, %d local, %v", gids, local, code)
	}
	h.restart()
	h.expectGroup(stuff, "alice")
	h.srv.remove(alice.Account.UUID)
	h.refreshed()
	h.expectGroup(stuff)
	if h.listed() != "stuff" {
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

// Promise groups-on-demand-members.
func TestWhoLeavesAGroupWhileADecisionRunsIsInNoOther(t *testing.T) {
	h := newGroups(t)
	alice := token("alice", 1900000100, tools)
	h.give(alice)
	e := h.d.Directory().Named("alice")
	alice.Groups, alice.Revision = alice.Groups[:1], 2
	h.give(alice) // tools has no member any more, and its number nobody
	h.expectGroup(stuff)
	for _, g := range h.d.Directory().GroupsOf(e) {
		if g.Name == "stuff" {
			t.Fatal("alice is in a group that was only asked for")
		}
	}
}

// Promise attack-local-questions, groups-on-demand-bounded.
func TestACrowdThatAsksForManyGroupsFillsNeitherMemoryNorDisk(t *testing.T) {
	h := newGroups(t, func(h *testMachine) {
		h.policy.MaxGroups, h.policy.AllowGroups = 8, []uuid.UUID{stuff.UUID}
	})
	h.expectGroup(stuff) // policy names it: it stays
	var crowd []identity.Group
	for i := range uint32(40) {
		crowd = append(crowd, identity.Group{UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("crowd%02d", i)), GID: 1900001000 + i})
	}
	h.groups.set(crowd...)
	check := func(what string, want ...string) {
		t.Helper()
		rows, err := h.cache.Groups(bg, realm)
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
	}
	check("in the end", "crowd31", "crowd34", "crowd35", "crowd36", "crowd37", "crowd38", "crowd39", "stuff")
	for i := range 100 {
		h.expectNoGroupByName(fmt.Sprintf("nothing%d", i))
	}
	check("after names that nobody has", "crowd31", "crowd34", "crowd35", "crowd36", "crowd37", "crowd38", "crowd39", "stuff")
	h.policy.MaxGroups = 4
	h.restart()
	check("with less room", "crowd37", "crowd38", "crowd39", "stuff")
	if s := h.status(); len(s.Providers[0].Refused) != 0 {
		t.Error(s.Providers[0].Refused)
	}
}

// Promise groups-on-demand.
func TestAFoundGroupIsAnsweredForAsLongAsPolicySays(t *testing.T) {
	h := newGroups(t, func(h *testMachine) { h.policy.KeepNames = 24 * time.Hour })
	h.expectGroup(stuff)
	h.srv.be(down)
	h.clk.pass(23 * time.Hour)
	h.expectGroup(stuff)
	h.clk.pass(2 * time.Hour)
	h.expectNoGroup(identity.ErrUnavailable, stuff)
	h.wait("the next try", func() bool { return !h.d.Link().JustFailed() })
	h.srv.be(up)
	h.expectGroup(stuff)
}

// Promise groups-on-demand-signed.
func TestARememberedGroupThatDoesNotVerifyIsNotBelieved(t *testing.T) {
	h := newGroups(t)
	h.groups.set(tools)
	h.expectGroup(stuff)
	h.expectGroup(tools)
	rows, err := h.cache.Groups(bg, realm)
	must(t, err)
	if len(rows) != 2 {
		t.Fatal(rows)
	}
	// One with a bit flipped, one under another's uuid.
	flipped, stolen := rows[0], rows[1]
	flipped.Signed = slices.Clone(flipped.Signed)
	flipped.Signed[len(flipped.Signed)-1] ^= 1
	stolen.UUID = uuid.New()
	must(t, h.cache.Apply(bg, cache.Batch{Realm: realm, Groups: []cache.Group{flipped, stolen}, Ungroup: []uuid.UUID{rows[1].UUID}}))
	h.srv.be(down)
	h.restart()
	if h.listed() != "" {
		t.Error(h.listed())
	}
	if rows, err = h.cache.Groups(bg, realm); err != nil || len(rows) != 0 {
		t.Error("they are still there:", rows, err)
	}
}

// Promise groups-on-demand.
func TestAGroupsAnswerThatCannotBeStoredCountsAllTheSame(t *testing.T) {
	h := newGroups(t)
	must(t, h.cache.Close()) // every write is an error now
	h.expectGroup(stuff)
	if !h.d.Unstored() {
		t.Error("nobody is told")
	}
}

// Which token is newer says how the group is called, be it one of an account or its own.
// Promise groups-on-demand-rules.
func TestOfTwoThatSpeakOfAGroupTheNewerCountsAlsoAfterARestart(t *testing.T) {
	for sentence, later := range map[string]bool{"the account's": false, "its own": true} {
		t.Run(sentence+" is newer", func(t *testing.T) {
			h := newGroups(t)
			older, newer := stuff, stuff
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
				h.d.ApplyGroup(provider.GroupRecord{Signed: signed, Token: t}, h.clk.now())
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

// Promise groups-on-demand-rules.
func TestAFoundGroupIsCalledAsTheSettingsSay(t *testing.T) {
	h := newGroups(t, qualified)
	long := stuff
	long.Name = "stuff@q.org"
	h.groups.set(long, tools) // one of the two has not the form
	for _, typed := range []string{"stuff", "stuff@q.org", "Stuff@Q.org"} {
		if g, err := h.d.GroupByName(bg, typed); err != nil || g.Name != "stuff@q.org" {
			t.Errorf("%s: %+v, %v", typed, g, err)
		}
	}
	for _, typed := range []string{"tools", "tools@q.org", "stuff@example.org"} {
		h.expectNoGroupByName(typed)
	}
	if g, err := h.d.GroupByGID(bg, tools.GID); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("%+v, %v", g, err)
	}
	if !h.refuses("group tools") || h.listed() != "stuff@q.org" {
		t.Errorf("refused %v, listed %q", h.status().Providers[0].Refused, h.listed())
	}
	// What was remembered under other settings is not believed.
	h.srv.be(down)
	h.policy.QualifiedGroups = false
	h.restart()
	if h.listed() != "" {
		t.Error(h.listed())
	}
}
