package daemon

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// give makes the machine learn a token as if the server had sent it.
func (h *testMachine) give(tok identity.IDToken) {
	h.t.Helper()
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	signed, err := h.srv.signer.SignIDToken(&tok)
	if err != nil {
		signed = []byte("a server may send what the signer would refuse")
	}
	must(h.t, h.d.Apply(bg, resolver.Update{Records: []provider.Record{{Signed: signed, Token: &tok}}}))
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
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			tok := token("mallory", 1900000199)
			tok.Revision = 9
			change(&tok)
			h.give(tok)
			if e := h.d.Directory().WithUUID(tok.Account.UUID); e != nil {
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

// Promise 3.
func TestANumberOnceSeenIsNeverAnothers(t *testing.T) {
	h := newTestMachine(t)
	old := token("alice", 1900000100)
	h.srv.set(t, old, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.remove(old.Account.UUID)
	h.wait("gone", func() bool { return h.d.Directory().Named("alice") == nil })
	h.restart()
	heir := token("heir", 1900000100)
	h.give(heir)
	if h.d.Directory().Named("heir") != nil {
		t.Fatal("the heir has alice's uid")
	}
	again := old
	again.Account.UID = 1900000200
	h.give(again)
	if h.d.Directory().Named("alice") != nil {
		t.Fatal("alice was renumbered")
	}
	h.give(old)
	if h.d.Directory().Named("alice") == nil {
		t.Fatal("alice cannot come back as she was")
	}
}

func TestANewerTokenThatIsRefusedBlocksTheOldOne(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100, stuff)
	h.srv.set(t, tok, nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	tok.Revision, tok.Account.UID = 50, 1900000777
	h.give(tok)
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.UID != 1900000100 {
		t.Fatalf("renumbered: %v, %v", a, err)
	}
	between := token("alice", 1900000100, stuff)
	between.Revision = 49 // older than what was refused
	h.give(between)
	if c := h.phase(identity.OpAccount, "alice"); c != identity.NotPermitted {
		t.Fatalf("account phase: %d", c)
	}
	h.lost()
	h.expect(identity.Denied, "alice", "secret")
	has, err := h.cache.Verifiers(bg)
	must(t, err)
	if len(has) != 0 {
		t.Fatal("its verifier is left")
	}
	h.restart()
	if h.d.Directory().Named("alice") != nil {
		t.Fatal("the old token is back after a restart")
	}
}

// Promise 7.
func TestAnOlderTokenNeverReplacesANewerOne(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100)
	tok.Revision, tok.State = 5, identity.Disabled
	h.give(tok)
	tok.Revision, tok.State = 4, identity.Active
	h.give(tok)
	if e := h.d.Directory().Named("alice"); e.State() != identity.Disabled || e.Revision() != 5 || e.Blocked() != "" {
		t.Fatalf("%+v", e)
	}
	h.restart()
	if e := h.d.Directory().Named("alice"); e.State() != identity.Disabled {
		t.Fatalf("%+v", e)
	}
}

// Promise 3.
func TestGroupsAreMatchedByUUIDNotByName(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID} })
	fake := identity.Group{UUID: uuid.New(), Name: stuff.Name, GID: 1900000555}
	renamed := stuff
	renamed.Name = "personnel"
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	// After it: of two groups with one name the first to be known is served.
	h.srv.set(t, token("mallory", 1900000101, fake), nil)
	h.wait("the second group", func() bool { return h.d.Directory().Named("mallory") != nil })
	h.expect(identity.Denied, "mallory", "secret")
	if ids, err := h.d.GroupsOf(bg, "mallory"); err != nil || len(ids.GIDs) != 1 {
		t.Fatalf("a second group of the same name is served: %v, %v", ids, err)
	}
	h.srv.set(t, token("alice", 1900000100), func(p *person) { p.token.Groups[1] = renamed })
	h.wait("the new name", func() bool { _, err := h.d.GroupByName(bg, "personnel"); return err == nil })
	h.expect(identity.Granted, "alice", "secret")
	if g, err := h.d.GroupByName(bg, "stuff"); err == nil && g.UUID != fake.UUID {
		t.Fatalf("the old name still answers: %v", g)
	}
}

func TestAGroupCountsOnlyForTheStrengthThatItDemands(t *testing.T) {
	strong := stuff
	strong.Demands = []identity.FactorKind{identity.TOTP}
	h := newTestMachine(t, func(h *testMachine) { h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID} })
	h.srv.set(t, token("alice", 1900000100, strong), nil)
	h.srv.set(t, token("bob", 1900000101, strong), withTOTP)
	h.online()
	h.expect(identity.Denied, "alice", "secret")
	h.expect(identity.Granted, "bob", "secret", "123456")
}

func TestAnEmptyPolicyLetsNobodyInAndTakesNoID(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.policy.AllowAll = false })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Denied, "alice", "secret")
	h = newTestMachine(t, func(h *testMachine) { h.policy.IDs = nil })
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.UnknownUser, "alice", "secret")
}
