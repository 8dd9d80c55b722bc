package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

var bg = context.Background()

func TestKnownAccountsAndGroupsAreAnswered(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.srv.set(t, token("bob", 1900000101, stuff), nil)
	h.online()
	check := func() {
		t.Helper()
		for _, name := range []string{"alice", "ALICE", "alice@example.org", "Alice@EXAMPLE.org"} {
			if a, err := h.d.AccountByName(bg, name); err != nil || a.UID != 1900000100 || a.Name != "alice" {
				t.Errorf("%s: %v, %v", name, a, err)
			}
		}
		if a, err := h.d.AccountByUID(bg, 1900000101); err != nil || a.Name != "bob" {
			t.Errorf("by uid: %v, %v", a, err)
		}
		if g, err := h.d.GroupByName(bg, "stuff"); err != nil || !slices.Equal(g.Members, []identity.Name{"alice", "bob"}) {
			t.Errorf("group: %v, %v", g, err)
		}
		if g, err := h.d.GroupByGID(bg, stuff.GID); err != nil || g.Name != "stuff" {
			t.Errorf("group by gid: %v, %v", g, err)
		}
		if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || !slices.Equal(ids.GIDs, []uint32{1900000100, stuff.GID}) {
			t.Errorf("groups of: %v, %v", ids, err)
		}
		accounts, groups := 0, 0
		must(t, h.d.Accounts(bg, func(identity.Account) error { accounts++; return nil }))
		must(t, h.d.Groups(bg, func(identity.GroupEntry) error { groups++; return nil }))
		if accounts != 2 || groups != 3 {
			t.Errorf("%d accounts, %d groups", accounts, groups)
		}
		for _, name := range []string{"", "nobody-here", "../alice", "alice\n", "a:b", strings.Repeat("a", 300), "al\xffice", "alice\x00", "1000"} {
			if _, err := h.d.AccountByName(bg, name); !errors.Is(err, identity.ErrNotFound) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	check()
	h.lost()
	check()
	h.restart()
	check()
}

// Promise 2.
func TestLocalNamesAndIDsAreNeverAnswered(t *testing.T) {
	h := newTestMachine(t)
	key := []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}}
	tools := identity.Group{UUID: uuid.New(), Name: "tools", GID: 1900000600}
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		tok := token(name, 1900000100+uint32(i), stuff, tools)
		tok.SSHKeys = key
		h.srv.set(t, tok, nil)
	}
	h.online()
	h.expect(identity.Granted, "bob", "secret")
	// From now on bob, carol's uid, dave's gid, the group stuff and the gid of tools are local.
	h.local("passwd", "root:x:0:0::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\nother:x:1900000102:1::/:/bin/sh\n")
	h.local("group", "stuff:x:50:\ndocker:x:1900000103:\nwheel:x:1900000600:\n")
	h.wait("the files", func() bool { _, err := h.d.AccountByName(bg, "bob"); return errors.Is(err, identity.ErrNotFound) })
	for _, name := range []string{"root", "ROOT", "bob", "BOB@example.org", "carol", "dave"} {
		if _, err := h.d.AccountByName(bg, name); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s is answered: %v", name, err)
		}
		if _, err := h.d.GroupsOf(bg, name); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s has groups: %v", name, err)
		}
		if keys, err := h.d.KeysFor(bg, identity.Peer{}, name); !errors.Is(err, identity.ErrNotFound) || keys != nil {
			t.Errorf("%s has keys: %v, %v", name, keys, err)
		}
		for op := identity.OpAuthenticate; op <= identity.OpChangePassword; op++ {
			if c := h.phase(op, name); c != identity.NotOurs {
				t.Errorf("%s, operation %d: %d", name, op, c)
			}
		}
	}
	for _, uid := range []uint32{0, 1001, 1900000101, 1900000102, 1900000103} {
		if a, err := h.d.AccountByUID(bg, uid); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("uid %d is answered: %v, %v", uid, a, err)
		}
	}
	if _, err := h.d.GroupByName(bg, "stuff"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("stuff is answered: %v", err)
	}
	if _, err := h.d.GroupByGID(bg, stuff.GID); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("stuff is answered by gid: %v", err)
	}
	if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || !slices.Equal(ids.GIDs, []uint32{1900000100}) {
		t.Errorf("groups of alice: %v, %v", ids, err)
	}
	must(t, h.d.Accounts(bg, func(a identity.Account) error {
		if a.Name != "alice" {
			t.Errorf("%s is listed", a.Name)
		}
		return nil
	}))
	must(t, h.d.Groups(bg, func(g identity.GroupEntry) error {
		if g.Name == "stuff" || g.Name == "tools" || slices.Contains(g.Members, "bob") {
			t.Errorf("%s is listed with %v", g.Name, g.Members)
		}
		return nil
	}))
	if s := h.status(); len(s.Providers[0].Refused) != 3 {
		t.Errorf("refused: %v", s.Providers[0].Refused)
	}
}

func TestUnreadableLocalFilesGrantNothing(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	passwd := filepath.Join(h.root, "etc/passwd")
	must(t, os.RemoveAll(passwd))
	must(t, os.MkdirAll(passwd, 0o755)) // a folder: it is there and cannot be read
	if _, err := h.d.AccountByName(bg, "alice"); !errors.Is(err, identity.ErrUnavailable) {
		t.Error(err)
	}
	h.expect(identity.Unavailable, "alice", "secret")
}

func TestAnUnknownNameDoesNotStick(t *testing.T) {
	for sentence, only := range map[string]bool{"with a change stream": false, "with a provider that can only fetch": true} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t, func(h *testMachine) { h.only = only })
			if !only {
				h.online()
			}
			if _, err := h.d.AccountByName(bg, "alice"); !errors.Is(err, identity.ErrNotFound) {
				t.Fatal(err)
			}
			h.srv.set(t, token("alice", 1900000100), nil)
			h.clk.pass(noFor)
			h.wait("alice", func() bool { _, err := h.d.AccountByName(bg, "alice"); return err == nil })
			if _, err := h.d.GroupByName(bg, "alice"); err != nil {
				t.Fatal(err)
			}
			h.expect(identity.Granted, "alice", "secret")
		})
	}
}

func TestAWholeListAnswersForAbsentNamesWithoutTheServer(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	if _, err := h.d.GroupByName(bg, "stuff"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("before the first list: %v", err)
	}
	h.online()
	before := h.srv.fetches.Load()
	ask := func() {
		t.Helper()
		if _, err := h.d.AccountByName(bg, "nobody-here"); !errors.Is(err, identity.ErrNotFound) {
			t.Error(err)
		}
		if _, err := h.d.AccountByUID(bg, 1900009999); !errors.Is(err, identity.ErrNotFound) {
			t.Error(err)
		}
		if _, err := h.d.GroupByName(bg, "nobody-here"); !errors.Is(err, identity.ErrNotFound) {
			t.Error(err)
		}
	}
	ask()
	h.lost()
	ask()
	if n := h.srv.fetches.Load() - before; n != 0 {
		t.Errorf("%d questions to the server", n)
	}
	h.srv.be(down)
	h = newTestMachine(t) // a machine that never saw the list
	h.srv.be(down)
	if _, err := h.d.AccountByName(bg, "nobody-here"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("never listed: %v", err)
	}
}

func TestTheSameQuestionIsAskedOnceAtATimeAndDelaysNobodyElse(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.only = true; h.policy.LookupTimeout = time.Minute })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.srv.set(t, token("bob", 1900000101), nil)
	if _, err := h.d.AccountByName(bg, "bob"); err != nil {
		t.Fatal(err)
	}
	before := h.srv.fetches.Load()
	h.srv.mode.Store(int32(hanging))
	ctx, cancel := context.WithCancel(bg)
	const many = 100
	var wg, asking sync.WaitGroup
	asking.Add(many)
	for range many {
		wg.Go(func() {
			asking.Done()
			if _, err := h.d.AccountByName(ctx, "alice"); !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("%v", err)
			}
		})
	}
	asking.Wait()
	h.wait("the question", func() bool { return h.srv.fetches.Load() > before })
	// While the server hangs, what is known is answered.
	for range 1000 {
		if _, err := h.d.AccountByName(bg, "bob"); err != nil {
			t.Fatal(err)
		}
	}
	cancel() // whoever loses patience goes
	wg.Wait()
	if n := h.srv.fetches.Load() - before; n != 1 {
		t.Fatalf("%d questions, want 1", n)
	}
}

func TestAServerThatAnswersWithAnotherAccountIsNotBelieved(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.only = true })
	h.srv.set(t, token("bob", 1900000101), nil)
	h.srv.instead.Store(identity.Name("bob"))
	err := h.d.FetchName(bg, "alice")
	if !errors.Is(err, provider.ErrOffline) || h.d.Directory().Named("bob") != nil {
		t.Fatalf("%v", err)
	}
}

func TestAccountsAreRefreshedWhereNothingIsPushed(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.only = true; h.policy.RefreshEvery = time.Millisecond })
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.expect(identity.Granted, "alice", "secret")
	h.run()
	h.clk.pass(time.Hour)
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	h.wait("the refresh", func() bool {
		h.clk.pass(time.Second)
		return h.d.Directory().Named("alice").State() == identity.Disabled
	})
	h.srv.remove(tok.Account.UUID)
	h.wait("the end", func() bool { h.clk.pass(time.Second); return h.d.Directory().Named("alice") == nil })
}

func TestTheAccountPhaseAsksTheServerWhenNothingIsPushed(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.only = true })
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	if c := h.phase(identity.OpAccount, "alice"); c != identity.Granted {
		t.Fatal(c)
	}
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	if c := h.phase(identity.OpAccount, "alice"); c != identity.AccountExpired {
		t.Fatal(c)
	}
}

func BenchmarkTenThousandAccounts(b *testing.B) {
	h := newTestMachine(b)
	var groups []identity.Group
	for i := range uint32(100) {
		groups = append(groups, identity.Group{
			UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("group%d", i)), GID: 1910000000 + i,
		})
	}
	var n resolver.Update
	for i := range uint32(10000) {
		tok := token(fmt.Sprintf("person%d", i), 1900000100+i)
		for g := range uint32(10) {
			tok.Groups = append(tok.Groups, groups[(i+g*7)%100])
		}
		n.Records = append(n.Records, provider.Record{Token: &tok, Signed: make([]byte, 1500)})
		if len(n.Records) == 256 || i == 9999 {
			must(b, h.d.Apply(bg, n))
			n.Records = nil
		}
	}
	for b.Loop() {
		if _, err := h.d.AccountByName(bg, "person5000"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(heapMB(), "MB-heap")
	b.ReportMetric(rssMB(b), "MB-rss")
}
