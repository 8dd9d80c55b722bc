package daemon

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestAPackedAccountIsTheOneThatWasPacked(t *testing.T) {
	e := &entry{
		account: identity.Account{
			UUID: uuid.New(), Name: "alice", UID: 1900000100, GID: 1900000200, FullName: "Alice Ä", Home: "/home/alice", Shell: "/bin/zsh",
		},
		state: identity.Disabled, validFrom: -5, validUntil: identity.Never, offlineFor: 1 << 31, revision: 1 << 60, keys: 3,
		factors: []identity.Factor{{Kind: identity.Password, Epoch: 1 << 63}, {Kind: identity.TOTP, Epoch: 2, Label: "phone"}},
		fetched: time.Unix(1800000000, 0), seq: 9,
	}
	groups := []uint32{0, 127, 128, 1 << 31}
	p := pack(e, 0, 0, groups)
	got := p.entry()
	got.packed = nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", e) {
		t.Errorf("got  %+v\nwant %+v", got, e)
	}
	if !slices.Equal(p.numbers(), groups) {
		t.Errorf("groups %v", p.numbers())
	}
}

// model is the index as simply as it can be said.
type model map[uuid.UUID]identity.IDToken

func TestTheIndexIsWhatItWasTold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := func(uint32) bool { return true }
	teams := make([]identity.Group, 6)
	for i := range teams {
		teams[i] = identity.Group{UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("team%d", i)), GID: 1900001000 + uint32(i)}
	}
	x, m := newIndex(), model{}
	asked := map[uuid.UUID]identity.Group{}
	for i := range 8000 {
		n := r.Uint32N(30)
		tok := token(fmt.Sprintf("p%d", n), 1900000100+n)
		tok.Revision = uint64(i)
		for _, g := range teams {
			if r.IntN(3) == 0 {
				tok.Groups = append(tok.Groups, g)
			}
		}
		switch r.IntN(10) {
		case 0: // in somebody else's own group, which is folded into them
			tok.Groups = append(tok.Groups, token(fmt.Sprintf("p%d", (n+1)%30), 1900000100+(n+1)%30).Groups[0])
		case 1: // an own group that demands something cannot be folded
			tok.Groups[0].Demands = []identity.FactorKind{identity.TOTP}
		case 2, 3:
			x.remove(tok.Account.UUID)
			delete(m, tok.Account.UUID)
			x.verify(t, m, asked)
			continue
		case 4: // a group is asked for, or forgotten again; somebody's own too
			g := append(slices.Clone(teams), tok.Groups[0])[r.IntN(len(teams)+1)]
			if _, is := asked[g.UUID]; is && r.IntN(2) == 0 {
				x.unmark(x.groups[g.UUID], false)
				delete(asked, g.UUID)
			} else {
				x.markFound(x.intern(g, 0, all), time.Unix(1, 0), time.Unix(int64(i), 0))
				asked[g.UUID] = g
			}
			x.verify(t, m, asked)
			continue
		}
		x.put(newEntry(&tok, time.Unix(1, 0)), tok.Groups, all)
		m[tok.Account.UUID] = tok
		x.verify(t, m, asked)
	}
}

// verify holds the index to the model: who is there, in what groups, which groups were
// asked for, and that all ways to find it lead to it.
func (x *index) verify(t *testing.T, m model, asked map[uuid.UUID]identity.Group) {
	t.Helper()
	members := map[uuid.UUID][]identity.Name{}
	for id, tok := range m {
		e := x.withUUID(id)
		if e == nil || e.account != tok.Account || e.revision != tok.Revision || x.named(tok.Account.Name) == nil || x.withUID(tok.Account.UID) == nil {
			t.Fatalf("%s is lost, or another: %+v", tok.Account.Name, e)
		}
		have := x.groupsOf(e)
		if len(have) != len(tok.Groups) {
			t.Fatalf("%s is in %v, want %v", tok.Account.Name, have, tok.Groups)
		}
		for i, g := range tok.Groups {
			if have[i].UUID != g.UUID || have[i].problem != "" {
				t.Fatalf("%s: group %d is %v, want %v", tok.Account.Name, i, have[i], g)
			}
			members[g.UUID] = append(members[g.UUID], tok.Account.Name)
		}
		if got := x.pinnedUID(id); got != tok.Account.UID {
			t.Fatalf("%s is pinned to %d", tok.Account.Name, got)
		}
	}
	nobody := local{accounts: &names{}, groups: &names{}}
	lists := [][]identity.Group{slices.Collect(maps.Values(asked))}
	for _, tok := range m {
		lists = append(lists, tok.Groups)
	}
	for id := range asked {
		members[id] = slices.Clip(members[id]) // it is there, with members or without
	}
	for _, list := range lists {
		for _, g := range list {
			want := members[g.UUID]
			slices.Sort(want)
			for how, find := range map[string]func() (identity.GroupEntry, bool){
				"name": func() (identity.GroupEntry, bool) { return x.groupNamed(g.Name, nobody) },
				"gid":  func() (identity.GroupEntry, bool) { return x.groupAt(g.GID, nobody) },
			} {
				if got, ok := find(); !ok || got.UUID != g.UUID || !slices.Equal(got.Members, want) {
					t.Fatalf("group %s by %s: %v %v, want %v", g.Name, how, got, ok, want)
				}
			}
		}
	}
	folded := 0
	for _, p := range x.all() {
		if p.own != uuid.Nil {
			folded++
		}
	}
	if len(x.all()) != len(m) || len(x.groups)+folded != len(members) {
		t.Fatalf("%d accounts of %d, %d+%d groups of %d", len(x.all()), len(m), len(x.groups), folded, len(members))
	}
}

func TestAGroupThatWasRefusedForAnothersNameGetsItWhenThatIsFree(t *testing.T) {
	h := newHouse(t)
	alice := token("alice", 1900000100)
	h.give(alice)
	taker := token("bob", 1900000101, identity.Group{UUID: uuid.New(), Name: "alice", GID: 1900000900})
	h.give(taker)
	if g, err := h.d.GroupByName(bg, "alice"); err != nil || g.GID != 1900000100 {
		t.Fatalf("alice's own group is taken over: %v, %v", g, err)
	}
	if ids, err := h.d.GroupsOf(bg, "bob"); err != nil || len(ids.GIDs) != 1 {
		t.Fatalf("a group of a taken name is served: %v, %v", ids, err)
	}
	h.d.index.remove(alice.Account.UUID)
	if g, err := h.d.GroupByName(bg, "alice"); err != nil || g.GID != 1900000900 {
		t.Fatalf("the name is not free: %v, %v", g, err)
	}
	alice.Revision = 9
	h.give(alice)
	if g, err := h.d.GroupByName(bg, "alice"); err != nil || g.GID != 1900000900 {
		t.Fatalf("the name is taken back: %v, %v", g, err)
	}
	if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || len(ids.GIDs) != 0 {
		t.Fatalf("alice: %v, %v", ids, err)
	}
}

func TestWhoIsForgottenWhileADecisionRunsHasNoGroupsOfOthers(t *testing.T) {
	h := newHouse(t)
	h.give(token("alice", 1900000100, stuff))
	e := h.d.index.named("alice")
	h.d.index.mu.Lock()
	h.d.index.reset()
	h.d.index.mu.Unlock()
	h.give(token("bob", 1900000101, identity.Group{UUID: uuid.New(), Name: "wheel", GID: 1900000900}))
	for _, g := range h.d.index.groupsOf(e) {
		if g.Name != "alice" {
			t.Fatalf("alice is in %s", g.Name)
		}
	}
}

func TestANumberStaysItsOwnersInMemoryToo(t *testing.T) {
	own := func(name identity.Name, id uint32) identity.IDToken {
		t := token(string(name), id)
		t.Groups[0].UUID = uuid.New()
		return t
	}
	h := newHouse(t)
	alice := token("alice", 1900000100, stuff)
	h.give(alice)
	h.d.index.remove(alice.Account.UUID)
	heir := token("heir", 1900000100)
	heir.Groups[0].UUID = alice.Groups[0].UUID // its gid is right, its uid is not
	heir.Groups[0].GID, heir.Account.GID = 1900000100, 1900000100
	h.give(heir)
	if h.d.index.named("heir") != nil {
		t.Error("the heir has alice's uid")
	}
	other := token("other", 1900000300)
	other.Account.GID, other.Groups[0].GID = 1900000100, 1900000100
	h.give(other)
	if h.d.index.named("other") != nil {
		t.Error("another group has the gid of alice's")
	}
	alice.Revision, alice.Account.UID = 2, 1900000400
	h.give(alice)
	if h.d.index.named("alice") != nil {
		t.Error("alice was renumbered")
	}
	alice = token("alice", 1900000100)
	alice.Revision = 3
	h.give(alice)
	if h.d.index.named("alice") == nil {
		t.Error("alice cannot come back as she was")
	}
	// While she is here too.
	h.give(own("mallory", 1900000100))
	third := own("third", 1900000500)
	third.Account.GID, third.Groups[0].GID = 1900000100, 1900000100
	h.give(third)
	if h.d.index.named("mallory") != nil || h.d.index.named("third") != nil {
		t.Error("a number of somebody who is here was given away")
	}
}

func TestNumbersAreRememberedOverARestart(t *testing.T) {
	h := newHouse(t)
	alice := token("alice", 1900000100)
	h.give(alice)
	must(t, h.d.learn(bg, news{gone: []uuid.UUID{alice.Account.UUID}}))
	h.restart()
	uid := token("uid", 1900000100)
	uid.Account.GID, uid.Groups[0].GID = 1900000700, 1900000700
	h.give(uid)
	gid := token("gid", 1900000300)
	gid.Account.GID, gid.Groups[0].GID = 1900000100, 1900000100
	h.give(gid)
	if h.d.index.named("uid") != nil || h.d.index.named("gid") != nil {
		t.Fatal("a number of somebody who was here was given away")
	}
}

func TestAnOwnGroupIsNotRenumberedWhileItsAccountIsHere(t *testing.T) {
	h := newHouse(t)
	alice := token("alice", 1900000100)
	h.give(alice)
	moved := token("alice", 1900000100)
	moved.Revision, moved.Account.GID, moved.Groups[0].GID = 2, 1900000900, 1900000900
	h.give(moved)
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.GID != 1900000100 {
		t.Fatalf("%v, %v", a, err)
	}
	if h.d.index.named("alice").blocked == "" {
		t.Fatal("she was not blocked")
	}
}

func TestATokenThatDoesNotVerifyAnyMoreMakesTheListIncomplete(t *testing.T) {
	h := newHouse(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.online()
	h.wait("the list", func() bool { return h.d.DirectoryStanding().Absent && len(h.d.index.all()) == 2 })
	h.stop()
	c, err := cache.Open(bg, filepath.Join(h.dir, "cache.db"), cache.Options{Log: quiet()})
	must(t, err)
	c1, err := c.Token(bg, token("bob", 1900000101).Account.UUID)
	must(t, err)
	c1.Signed[len(c1.Signed)-1] ^= 1
	must(t, c.Apply(bg, cache.Batch{Realm: realm, Put: []cache.Put{{Token: c1}}}))
	must(t, c.Close())
	h.srv.be(down)
	h.start()
	h.run()
	h.wait("offline", func() bool { return h.d.link.now() == offline })
	if h.d.index.named("alice") == nil || h.d.index.named("bob") != nil || h.d.DirectoryStanding().Absent {
		t.Fatal("a name that was lost is said not to exist")
	}
}
