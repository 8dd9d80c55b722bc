package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise 5, attack-local-logins, attack-local-others.
func TestEveryVerbIsAuthorisedByThePeer(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	alice, stranger, root := uint32(1900000100), uint32(4711), uint32(0)
	name := []byte(`{"name":"alice"}`)
	for _, c := range []struct {
		verb string
		args []byte
		peer uint32
		want error
	}{
		{report.VerbStatus, nil, stranger, nil},
		{report.VerbExplain, name, root, nil},
		{report.VerbExplain, name, alice, nil},
		{report.VerbExplain, name, stranger, report.ErrForbidden},
		{report.VerbExplain, []byte(`{"name":"nobody-here"}`), stranger, report.ErrForbidden},
		{report.VerbExplain, []byte(`{"nmae":"alice"}`), root, report.ErrVerb},
		{report.VerbExplain, nil, root, report.ErrVerb},
		{report.VerbCacheList, nil, root, nil},
		{report.VerbCacheList, nil, alice, report.ErrForbidden},
		{report.VerbUnlock, name, root, nil},
		{report.VerbUnlock, name, alice, report.ErrForbidden},
		{report.VerbUnlock, []byte(`{"name":"nobody-here"}`), root, identity.ErrNotFound},
		{report.VerbCacheRefresh, name, alice, report.ErrForbidden},
		{report.VerbCacheRefresh, nil, stranger, report.ErrForbidden},
		{report.VerbCacheRefresh, []byte(`{"name":"nobody-here"}`), root, identity.ErrNotFound},
		{report.VerbCacheRefresh, name, root, nil},
		{report.VerbCacheRefresh, nil, root, nil},
		{report.VerbCacheForget, name, alice, report.ErrForbidden},
		{report.VerbCacheForget, []byte(`[]`), root, report.ErrVerb},
		{report.VerbCacheForget, []byte(`{"name":"../x"}`), root, identity.ErrNotFound},
		{report.VerbCacheForget, name, root, nil},
		{report.VerbCacheClear, nil, stranger, report.ErrForbidden},
		{report.VerbCacheClear, nil, root, nil},
		{"", nil, root, report.ErrVerb},
		{"shutdown", nil, root, report.ErrVerb},
	} {
		err := h.d.Handle(bg, identity.Peer{UID: c.peer}, c.verb, c.args, func(any) error { return nil })
		if !errors.Is(err, c.want) {
			t.Errorf("%q %s by %d: %v, want %v", c.verb, c.args, c.peer, err, c.want)
		}
	}
}

func TestForgettingAndClearingStartFromTheServerAgain(t *testing.T) {
	for _, verb := range []string{report.VerbCacheForget, report.VerbCacheClear} {
		t.Run(verb, func(t *testing.T) {
			h := newTestMachine(t)
			h.srv.set(t, token("alice", 1900000100), nil)
			h.online()
			h.expect(identity.Granted, "alice", "secret")
			h.lost()
			must(t, h.d.Handle(bg, identity.Peer{}, verb, []byte(`{"name":"alice"}`), nil))
			if has, err := h.cache.Verifiers(bg); err != nil || len(has) != 0 {
				t.Fatalf("%v, %v", has, err)
			}
			if _, err := h.d.AccountByName(bg, "alice"); !errors.Is(err, identity.ErrUnavailable) {
				t.Fatal(err)
			}
			h.srv.be(up)
			h.wait("the list", func() bool { _, err := h.d.AccountByName(bg, "alice"); return err == nil })
			h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
			must(t, h.d.Handle(bg, identity.Peer{}, verb, []byte(`{"name":"alice"}`), nil))
			h.wait("the list while connected", func() bool { _, err := h.d.AccountByName(bg, "alice"); return err == nil })
		})
	}
}

func TestClearingBetweenAChangeAndItsStoringStartsFromTheList(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	was := h.d.Contact()
	h.lost()
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil))
	must(t, h.d.Apply(bg, resolver.Update{Contact: &cache.Contact{Position: 9, Complete: true}, After: was}))
	if k, err := h.cache.Contact(bg, realm); err != nil || k.Complete || k.Position != 0 || h.d.Contact().Complete {
		t.Fatalf("an empty cache passes for whole: %+v, %v", k, err)
	}
}

func TestForgettingLetsRootAcceptNewNumbers(t *testing.T) {
	h := newTestMachine(t)
	old := token("alice", 1900000100)
	h.srv.set(t, old, nil)
	h.online()
	h.srv.set(t, old, func(p *person) {
		p.token.Account.UID, p.token.Account.GID, p.token.Groups[0].GID = 1900000200, 1900000200, 1900000200
	})
	h.wait("the refusal", func() bool { return len(h.d.Refused()) == 1 })
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheForget, []byte(`{"name":"alice"}`), nil))
	h.wait("the new number", func() bool { a, err := h.d.AccountByName(bg, "alice"); return err == nil && a.UID == 1900000200 })
}

func TestExplainSaysWhatDecideDoes(t *testing.T) {
	for sentence, change := range map[string]func(h *testMachine, tok identity.IDToken){
		"all is well": func(*testMachine, identity.IDToken) {},
		"disabled": func(h *testMachine, tok identity.IDToken) {
			h.srv.set(h.t, tok, func(p *person) { p.token.State = identity.Disabled })
		},
		"expired": func(h *testMachine, tok identity.IDToken) {
			h.srv.set(h.t, tok, func(p *person) { p.token.ValidUntil = 1 })
		},
		"not yet valid": func(h *testMachine, tok identity.IDToken) {
			h.srv.set(h.t, tok, func(p *person) { p.token.ValidFrom = identity.Never })
		},
		"not in the group": func(h *testMachine, tok identity.IDToken) {
			h.srv.set(h.t, tok, func(p *person) { p.token.Groups = p.token.Groups[:1] })
		},
		"gone":        func(h *testMachine, tok identity.IDToken) { h.srv.remove(tok.Account.UUID) },
		"local":       func(h *testMachine, _ identity.IDToken) { h.local("passwd", "alice:x:1:1::/:/bin/sh\n") },
		"a local uid": func(h *testMachine, _ identity.IDToken) { h.local("passwd", "al:x:1900000100:1::/:/bin/sh\n") },
		"offline":     func(h *testMachine, _ identity.IDToken) { h.lost() },
		"too old":     func(h *testMachine, _ identity.IDToken) { h.lost(); h.clk.pass(1e6 * 3600 * 1e9) },
		"refused":     func(h *testMachine, tok identity.IDToken) { tok.Revision, tok.Account.UID = 99, 1; h.give(tok) },
		"unreadable file": func(h *testMachine, _ identity.IDToken) {
			passwd := filepath.Join(h.root, "etc/passwd")
			must(h.t, os.Remove(passwd))
			must(h.t, os.Mkdir(passwd, 0o755)) // root reads all but a folder
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t, func(h *testMachine) { h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID} })
			tok := token("alice", 1900000100, stuff)
			h.srv.set(t, tok, nil)
			h.online()
			change(h, tok)
			h.wait("the change", func() bool { return h.d.Contact().Position == uint64(len(h.srv.log)) })
			var x report.Explanation
			must(t, h.d.Handle(bg, identity.Peer{}, report.VerbExplain, []byte(`{"name":"alice"}`), func(v any) error {
				x = v.(report.Explanation)
				return nil
			}))
			may := h.phase(identity.OpAccount, "alice") == identity.Granted
			if x.MayLogin != may || may != (sentence == "all is well" || sentence == "offline") {
				t.Fatalf("explain %t, decide %t: %+v", x.MayLogin, may, x.Steps)
			}
			steps := slices.DeleteFunc(x.Steps, func(f report.Finding) bool { return f.Check == "server" })
			last := steps[len(steps)-1]
			if (last.Severity == report.OK) != may || !may && (last.Detail == "" || last.Mend == "") {
				t.Fatalf("last step %+v", last)
			}
		})
	}
}

func TestStatusSaysSinceWhenTheDaemonRuns(t *testing.T) {
	h := newTestMachine(t)
	begun := h.clk.now()
	h.clk.pass(time.Hour)
	if at := h.status().Started; at.IsZero() || at.Sub(begun).Abs() > time.Minute {
		t.Errorf("since %s, want %s", at, begun)
	}
}
