package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// seen writes a view down, one line for each account, group and range.
func (h *testMachine) seen() []string {
	h.t.Helper()
	v, err := h.d.View(bg)
	must(h.t, err)
	return lines(v)
}

func lines(v identity.View) []string {
	var list []string
	for a := range v.Accounts() {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %d %v %v", a.Name, a.UID, a.GIDs, a.Local)))
	}
	for g := range v.Groups() {
		list = append(list, fmt.Sprintf("group %s %d", g.Name, g.GID))
	}
	return list
}

// asked writes down what lookups answer one by one, in the order of a view.
func (h *testMachine) asked() []string {
	h.t.Helper()
	var accounts []identity.Account
	must(h.t, h.d.Accounts(bg, func(a identity.Account) error { accounts = append(accounts, a); return nil }))
	slices.SortFunc(accounts, func(a, b identity.Account) int { return int(a.UID) - int(b.UID) })
	var list []string
	for _, a := range accounts {
		ids, err := h.d.GroupsOf(bg, string(a.Name))
		must(h.t, err)
		list = append(list, fmt.Sprintf("%s %d %v %v", a.Name, a.UID, ids.GIDs, ids.Local))
	}
	var groups []identity.Group
	must(h.t, h.d.Groups(bg, func(g identity.GroupEntry) error {
		if len(g.Members) > 0 {
			groups = append(groups, g.Group)
		}
		return nil
	}))
	slices.SortFunc(groups, func(a, b identity.Group) int { return int(a.GID) - int(b.GID) })
	for _, g := range groups {
		list = append(list, fmt.Sprintf("group %s %d", g.Name, g.GID))
	}
	return list
}

// Promise names-one-view.
func TestAViewSaysWhatLookupsSay(t *testing.T) {
	tools := identity.Group{UUID: uuid.New(), Name: "tools", GID: 1900000600}
	early := identity.Group{UUID: uuid.New(), Name: "early", GID: 1880000000}
	fake := identity.Group{UUID: uuid.New(), Name: stuff.Name, GID: 1900000555}
	for sentence, c := range map[string]struct {
		change func(h *testMachine)
		want   []string
		// forgets: a refused token is not remembered, and of two groups with one name
		// the first to be known is served.
		forgets bool
	}{
		"as the realm has it": {change: func(*testMachine) {}, want: []string{
			"alice 1900000100 [1900000100 1900000001] []", "bob 1900000101 [1900000101 1900000001 1900000600 1880000000] []",
			"group early 1880000000", "group stuff 1900000001", "group alice 1900000100", "group bob 1900000101", "group tools 1900000600",
		}},
		"without a local name": {change: func(h *testMachine) { h.local("passwd", "alice:x:1:1::/:/\n") }, want: []string{
			"bob 1900000101 [1900000101 1900000001 1900000600 1880000000] []",
			"group early 1880000000", "group stuff 1900000001", "group bob 1900000101", "group tools 1900000600",
		}},
		"without a local uid, and groups that nobody else lists": {change: func(h *testMachine) { h.local("passwd", "x:x:1900000101:1::/:/\n") }, want: []string{
			"alice 1900000100 [1900000100 1900000001] []", "group stuff 1900000001", "group alice 1900000100",
		}},
		"without an account whose gid is a local group's": {change: func(h *testMachine) { h.local("group", "x:x:1900000101:\n") }, want: []string{
			"alice 1900000100 [1900000100 1900000001] []", "group stuff 1900000001", "group alice 1900000100",
		}},
		"without a local group's name or gid": {change: func(h *testMachine) { h.local("group", "stuff:x:9:\nx:x:1900000600:\n") }, want: []string{
			"alice 1900000100 [1900000100] []", "bob 1900000101 [1900000101 1880000000] []",
			"group early 1880000000", "group alice 1900000100", "group bob 1900000101",
		}},
		"without an account's own group where a local one has its name": {change: func(h *testMachine) { h.local("group", "alice:x:9:\n") }, want: []string{
			"alice 1900000100 [1900000001] []", "bob 1900000101 [1900000101 1900000001 1900000600 1880000000] []",
			"group early 1880000000", "group stuff 1900000001", "group bob 1900000101", "group tools 1900000600",
		}},
		"without a group that has another's name": {forgets: true, change: func(h *testMachine) {
			tok := token("carol", 1900000102, fake)
			tok.Revision = 9
			h.give(tok)
			h.local("passwd", "bob:x:1:1::/:/\n")
		}, want: []string{
			"alice 1900000100 [1900000100 1900000001] []", "carol 1900000102 [1900000102] []",
			"group stuff 1900000001", "group alice 1900000100", "group carol 1900000102",
		}},
		"with one that is blocked": {forgets: true, change: func(h *testMachine) {
			tok := token("alice", 1900000777)
			tok.Revision = 9
			h.give(tok)
			h.local("passwd", "bob:x:1:1::/:/\n")
		}, want: []string{"alice 1900000100 [1900000100 1900000001] []", "group stuff 1900000001", "group alice 1900000100"}},
		"with somebody in another's own group": {change: func(h *testMachine) {
			tok := token("carol", 1900000102, token("alice", 1900000100).Groups[0])
			tok.Revision = 9
			h.give(tok)
			h.local("passwd", "bob:x:1:1::/:/\n")
		}, want: []string{
			"alice 1900000100 [1900000100 1900000001] []", "carol 1900000102 [1900000102 1900000100] []",
			"group stuff 1900000001", "group alice 1900000100", "group carol 1900000102",
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t, func(h *testMachine) { h.policy.IDs = []identity.IDRange{{Min: 1880000000, Max: 2000000000}} })
			h.local("passwd", "root:x:0:0::/:/\n")
			h.local("group", "root:x:0:\n")
			h.give(token("alice", 1900000100, stuff))
			h.give(token("bob", 1900000101, stuff, tools, early))
			c.change(h)
			if got := h.seen(); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if got := h.asked(); !slices.Equal(got, c.want) {
				t.Errorf("lookups say\n     %q\nwant %q", got, c.want)
			}
			before := h.seen()
			h.restart()
			if got := h.seen(); !slices.Equal(got, before) && !c.forgets {
				t.Errorf("after a restart %q", got)
			}
		})
	}
}

// Promise names-one-view.
func TestAViewDoesNotChangeWithTheDirectory(t *testing.T) {
	h := newTestMachine(t)
	alice := token("alice", 1900000100, stuff)
	h.give(alice)
	v, err := h.d.View(bg)
	must(t, err)
	before := lines(v)
	alice.Revision, alice.Groups, alice.Account.Shell = 2, alice.Groups[:1], "/bin/zsh"
	h.give(alice)
	h.give(token("bob", 1900000101, stuff))
	h.d.Directory().Remove(alice.Account.UUID)
	h.give(token("carol", 1900000102)) // takes the number that alice had
	if got := lines(v); !slices.Equal(got, before) {
		t.Fatalf("got  %q\nwant %q", got, before)
	}
}

// Promise names-local-groups.
func TestLocalGroupsComeWithTheRealmsByUUID(t *testing.T) {
	fake := identity.Group{UUID: uuid.New(), Name: stuff.Name, GID: 1900000555}
	h := newTestMachine(t, func(h *testMachine) {
		h.policy.LocalGroups = map[string]uuid.UUID{"docker": stuff.UUID, "kvm": stuff.UUID, "wheel": stuff.UUID, "absent": stuff.UUID}
	})
	h.local("group", "root:x:0:\nkvm:x:108:\ndocker:x:107:\ndocker:x:27:\nwheel:x:0:\n")
	h.give(token("alice", 1900000100, stuff))
	h.give(token("bob", 1900000101, fake))
	if got, want := h.seen()[:2], []string{"alice 1900000100 [1900000100 1900000001] [107 108]", "bob 1900000101 [1900000101] []"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	ids, err := h.d.GroupsOf(bg, "alice")
	if err != nil || !slices.Equal(ids.Local, []uint32{107, 108}) || ids.Validate() != nil {
		t.Errorf("alice: %v, %v", ids, err)
	}
	if ids, err := h.d.GroupsOf(bg, "bob"); err != nil || len(ids.Local) > 0 {
		t.Errorf("bob: %v, %v", ids, err)
	}
	found := fmt.Sprint(h.status().Findings)
	if !strings.Contains(found, "group absent") || !strings.Contains(found, "group wheel has the id 0") {
		t.Errorf("findings: %s", found)
	}
	// Who is blocked is named, and brought nowhere.
	bad := token("alice", 1900000777)
	bad.Revision = 9
	h.give(bad)
	if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || len(ids.Local) > 0 || len(ids.GIDs) != 2 {
		t.Errorf("blocked: %v, %v", ids, err)
	}
	if got := h.seen()[0]; got != "alice 1900000100 [1900000100 1900000001] []" {
		t.Errorf("blocked: %q", got)
	}
}

func TestWithoutAliasesOnlyTheExactNameCounts(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.Aliases = false })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	for _, name := range []string{"ALICE", "alice@example.org"} {
		if _, err := h.d.AccountByName(bg, name); err == nil {
			t.Errorf("%s is answered", name)
		}
		if c := h.phase(identity.OpAccount, name); c != identity.UnknownUser {
			t.Errorf("%s: %d", name, c)
		}
		if _, err := h.d.GroupByName(bg, name); err == nil {
			t.Errorf("the group %s is answered", name)
		}
	}
	h.expect(identity.Granted, "alice", "secret")
}
