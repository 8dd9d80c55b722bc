package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

var bg = context.Background()

func TestKnownAccountsAndGroupsAreAnswered(t *testing.T) {
	h := newHouse(t)
	h.srv.set(t, token("alice", 1900000100, staff), nil)
	h.srv.set(t, token("bob", 1900000101, staff), nil)
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
		if g, err := h.d.GroupByName(bg, "staff"); err != nil || !slices.Equal(g.Members, []identity.Name{"alice", "bob"}) {
			t.Errorf("group: %v, %v", g, err)
		}
		if g, err := h.d.GroupByGID(bg, staff.GID); err != nil || g.Name != "staff" {
			t.Errorf("group by gid: %v, %v", g, err)
		}
		if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || !slices.Equal(ids, []uint32{1900000100, staff.GID}) {
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

func TestLocalNamesAndIDsAreNeverAnswered(t *testing.T) {
	h := newHouse(t)
	key := []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}}
	for i, name := range []string{"alice", "bob", "carol"} {
		tok := token(name, 1900000100+uint32(i), staff)
		tok.SSHKeys = key
		h.srv.set(t, tok, nil)
	}
	h.online()
	h.expect(identity.Granted, "bob", "secret")
	// From now on bob and carol's uid and the group staff are local.
	h.local("passwd", "root:x:0:0::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\nother:x:1900000102:1::/:/bin/sh\n")
	h.local("group", "staff:x:50:\n")
	h.wait("the files", func() bool { _, err := h.d.AccountByName(bg, "bob"); return errors.Is(err, identity.ErrNotFound) })
	for _, name := range []string{"root", "ROOT", "bob", "BOB@example.org", "carol"} {
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
	for _, uid := range []uint32{0, 1001, 1900000101, 1900000102} {
		if a, err := h.d.AccountByUID(bg, uid); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("uid %d is answered: %v, %v", uid, a, err)
		}
	}
	if _, err := h.d.GroupByName(bg, "staff"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("staff is answered: %v", err)
	}
	if _, err := h.d.GroupByGID(bg, staff.GID); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("staff is answered by gid: %v", err)
	}
	if ids, err := h.d.GroupsOf(bg, "alice"); err != nil || !slices.Equal(ids, []uint32{1900000100}) {
		t.Errorf("groups of alice: %v, %v", ids, err)
	}
	must(t, h.d.Accounts(bg, func(a identity.Account) error {
		if a.Name != "alice" {
			t.Errorf("%s is listed", a.Name)
		}
		return nil
	}))
	must(t, h.d.Groups(bg, func(g identity.GroupEntry) error {
		if g.Name == "staff" || slices.Contains(g.Members, "bob") {
			t.Errorf("%s is listed with %v", g.Name, g.Members)
		}
		return nil
	}))
	if s := h.status(); len(s.Providers[0].Refused) != 2 {
		t.Errorf("refused: %v", s.Providers[0].Refused)
	}
}

func TestUnreadableLocalFilesGrantNothing(t *testing.T) {
	h := newHouse(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.d.local.accounts.path = h.root // a folder: it is there and cannot be read
	if _, err := h.d.AccountByName(bg, "alice"); !errors.Is(err, identity.ErrUnavailable) {
		t.Error(err)
	}
	h.expect(identity.Unavailable, "alice", "secret")
}

// give makes the machine learn a token as if the server had sent it.
func (h *house) give(tok identity.IDToken) {
	h.t.Helper()
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	signed, err := h.srv.signer.SignIDToken(&tok)
	if err != nil {
		signed = []byte("a server may send what the signer would refuse")
	}
	must(h.t, h.d.learn(bg, news{records: []provider.Record{{Signed: signed, Token: &tok}}}))
}

func TestTokensAgainstTheRulesAreRefusedAndReported(t *testing.T) {
	for sentence, change := range map[string]func(*identity.IDToken){
		"uid 0":                        func(t *identity.IDToken) { t.Account.UID = 0 },
		"uid 999":                      func(t *identity.IDToken) { t.Account.UID = 999 },
		"uid of a dynamic user":        func(t *identity.IDToken) { t.Account.UID = 61200 },
		"uid of nobody":                func(t *identity.IDToken) { t.Account.UID = 65534 },
		"uid -1":                       func(t *identity.IDToken) { t.Account.UID = 4294967295 },
		"uid outside the policy":       func(t *identity.IDToken) { t.Account.UID = 70000 },
		"gid outside the policy":       func(t *identity.IDToken) { t.Account.GID, t.Groups[0].GID = 70000, 70000 },
		"gid 0":                        func(t *identity.IDToken) { t.Account.GID, t.Groups[0].GID = 0, 0 },
		"a name with a colon":          func(t *identity.IDToken) { t.Account.Name = "a:b" },
		"a name with a slash":          func(t *identity.IDToken) { t.Account.Name = "../x" },
		"a home with a newline":        func(t *identity.IDToken) { t.Account.Home = "/x\ny" },
		"another realm":                func(t *identity.IDToken) { t.Realm = "elsewhere" },
		"no state":                     func(t *identity.IDToken) { t.State = identity.StateUnknown },
		"alice's name":                 func(t *identity.IDToken) { t.Account.Name = "alice" },
		"alice's uid":                  func(t *identity.IDToken) { t.Account.UID = 1900000100 },
		"alice's gid as another group": func(t *identity.IDToken) { t.Account.GID, t.Groups[0].GID = 1900000100, 1900000100 },
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newHouse(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			tok := token("mallory", 1900000199)
			tok.Revision = 9
			change(&tok)
			h.give(tok)
			if e := h.d.index.withUUID(tok.Account.UUID); e != nil {
				t.Fatal("taken")
			}
			if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.UID != 1900000100 {
				t.Fatalf("alice: %v, %v", a, err)
			}
			if s := h.status(); len(s.Providers[0].Refused) != 1 || s.Providers[0].Refused[0].Reason == "" {
				t.Fatalf("refused: %v", s.Providers[0].Refused)
			}
			if _, err := h.cache.Token(bg, tok.Account.UUID); !errors.Is(err, identity.ErrNotFound) {
				t.Fatalf("stored: %v", err)
			}
		})
	}
}

func TestANumberOnceSeenIsNeverAnothers(t *testing.T) {
	h := newHouse(t)
	old := token("alice", 1900000100)
	h.srv.set(t, old, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.remove(old.Account.UUID)
	h.wait("gone", func() bool { return h.d.index.named("alice") == nil })
	h.restart()
	heir := token("heir", 1900000100)
	h.give(heir)
	if h.d.index.named("heir") != nil {
		t.Fatal("the heir has alice's uid")
	}
	again := old
	again.Account.UID = 1900000200
	h.give(again)
	if h.d.index.named("alice") != nil {
		t.Fatal("alice was renumbered")
	}
	h.give(old)
	if h.d.index.named("alice") == nil {
		t.Fatal("alice cannot come back as she was")
	}
}

func TestANewerTokenThatIsRefusedBlocksTheOldOne(t *testing.T) {
	h := newHouse(t)
	tok := token("alice", 1900000100, staff)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	tok.Revision, tok.Account.UID = 50, 1900000777
	h.give(tok)
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.UID != 1900000100 {
		t.Fatalf("renumbered: %v, %v", a, err)
	}
	if c := h.phase(identity.OpAccount, "alice"); c != identity.NotPermitted {
		t.Fatalf("account phase: %d", c)
	}
	h.lost()
	h.expect(identity.Unavailable, "alice", "secret")
	has, err := h.cache.Verifiers(bg)
	must(t, err)
	if len(has) != 0 {
		t.Fatal("its verifier is left")
	}
	h.restart()
	if h.d.index.named("alice") != nil {
		t.Fatal("the old token is back after a restart")
	}
}

func TestAnOlderTokenNeverReplacesANewerOne(t *testing.T) {
	h := newHouse(t)
	tok := token("alice", 1900000100)
	tok.Revision, tok.State = 5, identity.Disabled
	h.give(tok)
	tok.Revision, tok.State = 4, identity.Active
	h.give(tok)
	if e := h.d.index.named("alice"); e.state != identity.Disabled || e.revision != 5 || e.blocked != "" {
		t.Fatalf("%+v", e)
	}
	h.restart()
	if e := h.d.index.named("alice"); e.state != identity.Disabled {
		t.Fatalf("%+v", e)
	}
}

func TestGroupsAreMatchedByUUIDNotByName(t *testing.T) {
	h := newHouse(t, func(h *house) { h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{staff.UUID} })
	fake := identity.Group{UUID: uuid.New(), Name: staff.Name, GID: 1900000555}
	renamed := staff
	renamed.Name = "personnel"
	h.srv.set(t, token("alice", 1900000100, staff), nil)
	h.srv.set(t, token("mallory", 1900000101, fake), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.expect(identity.NotPermitted, "mallory", "secret")
	if ids, err := h.d.GroupsOf(bg, "mallory"); err != nil || len(ids) != 1 {
		t.Fatalf("a second group of the same name is served: %v, %v", ids, err)
	}
	h.srv.set(t, token("alice", 1900000100), func(p *person) { p.token.Groups[1] = renamed })
	h.wait("the new name", func() bool { _, err := h.d.GroupByName(bg, "personnel"); return err == nil })
	h.expect(identity.Granted, "alice", "secret")
	if g, err := h.d.GroupByName(bg, "staff"); err == nil && g.UUID != fake.UUID {
		t.Fatalf("the old name still answers: %v", g)
	}
}

func TestAnEmptyPolicyLetsNobodyInAndTakesNoID(t *testing.T) {
	h := newHouse(t, func(h *house) { h.policy.AllowAll = false })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.NotPermitted, "alice", "secret")
	h = newHouse(t, func(h *house) { h.policy.IDs = nil })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.UnknownUser, "alice", "secret")
}

func TestAnUnknownNameDoesNotStick(t *testing.T) {
	for sentence, only := range map[string]bool{"with a change stream": false, "with a provider that can only fetch": true} {
		t.Run(sentence, func(t *testing.T) {
			h := newHouse(t, func(h *house) { h.only = only })
			if !only {
				h.online()
			}
			if _, err := h.d.AccountByName(bg, "alice"); !errors.Is(err, identity.ErrNotFound) {
				t.Fatal(err)
			}
			h.srv.set(t, token("alice", 1900000100), nil)
			h.wait("alice", func() bool { _, err := h.d.AccountByName(bg, "alice"); return err == nil })
			if _, err := h.d.GroupByName(bg, "alice"); err != nil {
				t.Fatal(err)
			}
			h.expect(identity.Granted, "alice", "secret")
		})
	}
}

func TestAWholeListAnswersForAbsentNamesWithoutTheServer(t *testing.T) {
	h := newHouse(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	if _, err := h.d.GroupByName(bg, "staff"); !errors.Is(err, identity.ErrUnavailable) {
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
	h = newHouse(t) // a machine that never saw the list
	h.srv.be(down)
	if _, err := h.d.AccountByName(bg, "nobody-here"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("never listed: %v", err)
	}
}

func TestTheSameQuestionIsAskedOnceAtATimeAndDelaysNobodyElse(t *testing.T) {
	h := newHouse(t, func(h *house) { h.only = true; h.policy.LookupTimeout = time.Minute })
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
	h := newHouse(t, func(h *house) { h.only = true })
	h.srv.set(t, token("bob", 1900000101), nil)
	err := h.d.fetch(bg, "x", func(ctx context.Context) (provider.Record, error) { return h.srv.Fetch(ctx, "bob") },
		func(t *identity.IDToken) bool { return t.Account.Name == "alice" }, func() *entry { return nil })
	if !errors.Is(err, provider.ErrOffline) || h.d.index.named("bob") != nil {
		t.Fatalf("%v", err)
	}
}

func TestAccountsAreRefreshedWhereNothingIsPushed(t *testing.T) {
	h := newHouse(t, func(h *house) { h.only = true; h.policy.RefreshEvery = time.Millisecond })
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.expect(identity.Granted, "alice", "secret")
	h.run()
	h.clk.pass(time.Hour)
	h.srv.set(t, tok, func(p *person) { p.token.State = identity.Disabled })
	h.wait("the refresh", func() bool { h.clk.pass(time.Second); return h.d.index.named("alice").state == identity.Disabled })
	h.srv.remove(tok.Account.UUID)
	h.wait("the end", func() bool { h.clk.pass(time.Second); return h.d.index.named("alice") == nil })
}

func TestTheAccountPhaseAsksTheServerWhenNothingIsPushed(t *testing.T) {
	h := newHouse(t, func(h *house) { h.only = true })
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
	h := newHouse(b)
	var groups []identity.Group
	for i := range uint32(100) {
		groups = append(groups, identity.Group{
			UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("group%d", i)), GID: 1910000000 + i,
		})
	}
	var n news
	for i := range uint32(10000) {
		tok := token(fmt.Sprintf("person%d", i), 1900000100+i)
		for g := range uint32(10) {
			tok.Groups = append(tok.Groups, groups[(i+g*7)%100])
		}
		n.records = append(n.records, provider.Record{Token: &tok, Signed: make([]byte, 1500)})
		if len(n.records) == batchSize || i == 9999 {
			must(b, h.d.learn(bg, n))
			n.records = nil
		}
	}
	b.ReportMetric(heapMB(), "MB-heap")
	b.ReportMetric(rssMB(b), "MB-rss")
	for b.Loop() {
		if _, err := h.d.AccountByName(bg, "person5000"); err != nil {
			b.Fatal(err)
		}
	}
}
