package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestTheClockGoesBackOnlyWhenTheServerSaysSo(t *testing.T) {
	h := newTestMachine(t)
	c, k := h.d.Clock(), h.clk
	start := k.now()
	expect := func(what string, want time.Duration) {
		t.Helper()
		if got := c.Now().Sub(start); got != want {
			t.Fatalf("%s: %s after the start, want %s", what, got, want)
		}
	}
	k.pass(time.Hour)
	expect("time passes", time.Hour)
	k.set(start.Add(-24 * time.Hour))
	expect("set back a day", time.Hour)
	k.pass(time.Hour)
	expect("an hour later", 2*time.Hour)
	must(t, c.Keep(bg))
	h.restart()
	c = h.d.Clock()
	expect("after a restart of the daemon", 2*time.Hour)
	k.pass(time.Minute)
	expect("a minute later", 2*time.Hour+time.Minute)
	must(t, c.Keep(bg))
	k.reboot(-time.Hour)
	k.pass(30 * time.Minute)
	h.restart()
	c = h.d.Clock()
	expect("after a reboot", 2*time.Hour+31*time.Minute)
	k.set(start.Add(1000 * time.Hour))
	expect("set far ahead", 1000*time.Hour)
	k.set(start)
	expect("and back", 1000*time.Hour)
	c.Contact(start.Add(3 * time.Hour))
	expect("the server says", 3*time.Hour)
	k.set(start.Add(1000 * time.Hour))
	c.Contact(start.Add(3 * time.Hour))
	expect("while the wall clock is ahead", 3*time.Hour)
	k.pass(time.Hour)
	expect("an hour after", 4*time.Hour)
	c.Contact(time.Time{})
	expect("an answer without a time", 4*time.Hour)
}

// Promise 18.
func FuzzNamesAtTheDoor(f *testing.F) {
	for _, seed := range []string{
		"alice", "ALICE", "alice@example.org", "root", "ROOT@Example.ORG", "", "a:b", "../alice", "alice\n", "alice\x00", "\xff", "K@",
		"alice@example.org@example.org", "Taken", strings.Repeat("a", 300),
	} {
		f.Add(seed)
	}
	h := newTestMachine(f)
	h.d.p.AllowAll = true
	tok := token("alice", 1900000100)
	h.give(tok)
	must(f, h.d.Apply(bg, resolver.Update{Contact: &cache.Contact{Complete: true}, After: h.d.Contact()}))
	h.srv.be(down)
	h.d.Note(resolver.Failed, nil)
	f.Fuzz(func(t *testing.T, typed string) {
		a, err := h.d.AccountByName(bg, typed)
		name, cerr := (identity.Naming{Realm: realm, Aliases: h.d.p.Aliases}).Canonical(typed)
		if (err == nil) != (cerr == nil && name == "alice") || err == nil && a.UUID != tok.Account.UUID {
			t.Fatalf("%q: %v, %v", typed, a, err)
		}
		v := h.d.Decide(bg, identity.Login{Operation: identity.OpAccount, User: typed}, typing())
		if (v.Code == identity.Granted) != (err == nil && typed == "alice") {
			t.Fatalf("%q: code %d", typed, v.Code)
		}
	})
}
