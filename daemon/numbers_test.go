package daemon

import (
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestAGroupThatWasRefusedForAnothersNameGetsItWhenThatIsFree(t *testing.T) {
	h := newTestMachine(t)
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
	h.d.Directory().Remove(alice.Account.UUID)
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

// Promise names-index.
func TestWhoIsForgottenWhileADecisionRunsHasNoGroupsOfOthers(t *testing.T) {
	h := newTestMachine(t)
	h.give(token("alice", 1900000100, stuff))
	e := h.d.Directory().Named("alice")
	h.d.Directory().Clear()
	h.give(token("bob", 1900000101, identity.Group{UUID: uuid.New(), Name: "wheel", GID: 1900000900}))
	for _, g := range h.d.Directory().GroupsOf(e) {
		if g.Name != "alice" {
			t.Fatalf("alice is in %s", g.Name)
		}
	}
}

// Promise names-index.
func TestANumberStaysItsOwnersInMemoryToo(t *testing.T) {
	own := func(name identity.Name, id uint32) identity.IDToken {
		t := token(string(name), id)
		t.Groups[0].UUID = uuid.New()
		return t
	}
	h := newTestMachine(t)
	alice := token("alice", 1900000100, stuff)
	h.give(alice)
	h.d.Directory().Remove(alice.Account.UUID)
	heir := token("heir", 1900000100)
	heir.Groups[0].UUID = alice.Groups[0].UUID // its gid is right, its uid is not
	heir.Groups[0].GID, heir.Account.GID = 1900000100, 1900000100
	h.give(heir)
	if h.d.Directory().Named("heir") != nil {
		t.Error("the heir has alice's uid")
	}
	other := token("other", 1900000300)
	other.Account.GID, other.Groups[0].GID = 1900000100, 1900000100
	h.give(other)
	if h.d.Directory().Named("other") != nil {
		t.Error("another group has the gid of alice's")
	}
	alice.Revision, alice.Account.UID = 2, 1900000400
	h.give(alice)
	if h.d.Directory().Named("alice") != nil {
		t.Error("alice was renumbered")
	}
	alice = token("alice", 1900000100)
	alice.Revision = 3
	h.give(alice)
	if h.d.Directory().Named("alice") == nil {
		t.Error("alice cannot come back as she was")
	}
	// While she is here too.
	h.give(own("mallory", 1900000100))
	third := own("third", 1900000500)
	third.Account.GID, third.Groups[0].GID = 1900000100, 1900000100
	h.give(third)
	if h.d.Directory().Named("mallory") != nil || h.d.Directory().Named("third") != nil {
		t.Error("a number of somebody who is here was given away")
	}
}

// Promise names-index.
func TestNumbersAreRememberedOverARestart(t *testing.T) {
	h := newTestMachine(t)
	alice := token("alice", 1900000100)
	h.give(alice)
	must(t, h.d.Apply(bg, resolver.Update{Gone: []uuid.UUID{alice.Account.UUID}}))
	h.restart()
	uid := token("uid", 1900000100)
	uid.Account.GID, uid.Groups[0].GID = 1900000700, 1900000700
	h.give(uid)
	gid := token("gid", 1900000300)
	gid.Account.GID, gid.Groups[0].GID = 1900000100, 1900000100
	h.give(gid)
	if h.d.Directory().Named("uid") != nil || h.d.Directory().Named("gid") != nil {
		t.Fatal("a number of somebody who was here was given away")
	}
}

// Promise names-index.
func TestAnOwnGroupIsNotRenumberedWhileItsAccountIsHere(t *testing.T) {
	h := newTestMachine(t)
	alice := token("alice", 1900000100)
	h.give(alice)
	moved := token("alice", 1900000100)
	moved.Revision, moved.Account.GID, moved.Groups[0].GID = 2, 1900000900, 1900000900
	h.give(moved)
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.GID != 1900000100 {
		t.Fatalf("%v, %v", a, err)
	}
	if h.d.Directory().Named("alice").Blocked() == "" {
		t.Fatal("she was not blocked")
	}
}

// Promise names-absence.
func TestATokenThatDoesNotVerifyAnyMoreMakesTheListIncomplete(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.set(t, token("bob", 1900000101), nil)
	h.online()
	h.wait("the list", func() bool { return h.d.DirectoryStanding().Absent && len(h.d.Directory().All()) == 2 })
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
	h.wait("offline", func() bool { return h.d.Link().Now() == resolver.Offline })
	if h.d.Directory().Named("alice") == nil || h.d.Directory().Named("bob") != nil || h.d.DirectoryStanding().Absent {
		t.Fatal("a name that was lost is said not to exist")
	}
}
