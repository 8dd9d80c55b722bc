package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// qualified makes the realm q.org, whose names end in it.
func qualified(h *testMachine) {
	h.realm, h.srv = "q.org", newServerOf(h.t, "q.org", h.machine, h.truth.now)
	h.policy.QualifiedUsers, h.policy.QualifiedGroups = true, true
}

// as is a token of that realm, with its names.
func as(realm string, tok identity.IDToken) identity.IDToken {
	tok.Realm = realm
	tok.Account.Name += identity.Name("@" + realm)
	tok.Groups = slices.Clone(tok.Groups)
	for i := range tok.Groups {
		tok.Groups[i].Name += identity.Name("@" + realm)
	}
	return tok
}

// Promise realms-qualified.
func TestQualifiedNamesAreAnsweredAsTheyAreByEitherForm(t *testing.T) {
	h := newTestMachine(t, qualified)
	h.srv.set(t, as("q.org", token("alice", 1900000100, stuff)), func(p *person) { p.password = "hers" })
	h.srv.set(t, as("q.org", token("local", 1900000101)), func(p *person) { p.password = "theirs" })
	h.online()
	for _, typed := range []string{"alice", "alice@q.org", "ALICE@Q.org"} {
		if a, err := h.d.AccountByName(bg, typed); err != nil || a.Name != "alice@q.org" {
			t.Errorf("%s: %+v, %v", typed, a, err)
		}
	}
	h.expect(identity.Granted, "alice@q.org", "hers")
	for _, typed := range []string{"alice@example.org", "alice@", "alice@q.org@q.org"} {
		if a, err := h.d.AccountByName(bg, typed); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s: %+v, %v", typed, a, err)
		}
	}
	for _, typed := range []string{"stuff", "stuff@q.org", "Stuff@Q.ORG"} {
		g, err := h.d.GroupByName(bg, typed)
		if err != nil || g.Name != "stuff@q.org" || len(g.Members) != 1 || g.Members[0] != "alice@q.org" {
			t.Errorf("%s: %+v, %v", typed, g, err)
		}
	}
	// A local account keeps its name, and nobody else's.
	if v, _ := h.login("local", "theirs"); v.Code != identity.NotOurs {
		t.Error("who is local:", v.Code)
	}
	if _, err := h.d.AccountByName(bg, "local"); !errors.Is(err, identity.ErrNotFound) {
		t.Error("who is local:", err)
	}
	h.expect(identity.Granted, "local@q.org", "theirs")
}

func TestWithoutAliasesOnlyTheNameItselfIsOne(t *testing.T) {
	h := newTestMachine(t, qualified, func(h *testMachine) { h.policy.Aliases = false })
	h.srv.set(t, as("q.org", token("alice", 1900000100, stuff)), nil)
	h.online()
	for typed, ok := range map[string]bool{"alice@q.org": true, "alice": false, "Alice@q.org": false} {
		if _, err := h.d.AccountByName(bg, typed); (err == nil) != ok {
			t.Errorf("%s: %v", typed, err)
		}
	}
}

// A server that qualifies names where the settings say otherwise, or does not where
// they do, could pass one account off as another's alias.
// Promise realms-qualified.
func TestAnAccountWhoseNamesHaveNotTheFormOfTheSettingsIsRefused(t *testing.T) {
	inOne := as("q.org", token("alice", 1900000100, stuff))
	inOne.Groups[1].Name = "stuff"
	short := token("alice", 1900000100)
	short.Realm = "q.org"
	for name, tok := range map[string]identity.IDToken{"short": short, "a short group": inOne} {
		h := newTestMachine(t, qualified)
		h.srv.set(t, tok, nil)
		h.online()
		if why := h.d.RefusedWhy(tok.Account.Name); !strings.Contains(why, "another form") {
			t.Errorf("%s: %q", name, why)
		}
		if _, err := h.d.AccountByUID(bg, 1900000100); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := newTestMachine(t)
	h.srv.set(t, as(realm, token("alice", 1900000100)), nil)
	h.online()
	if _, err := h.d.AccountByUID(bg, 1900000100); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("qualified: %v", err)
	}
}

// A provider may vouch for what is remembered in the form of other settings: it is not
// answered, and is replaced when it is asked for.
func TestNamesOfOtherSettingsAreFetchedAnew(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.only = true })
	tok := token("alice", 1900000100)
	h.srv.set(t, tok, nil)
	h.run()
	if _, err := h.d.AccountByName(bg, "alice"); err != nil {
		t.Fatal(err)
	}
	h.policy.QualifiedUsers, h.policy.QualifiedGroups = true, true
	h.srv.set(t, tok, func(p *person) { p.token = as(realm, tok) })
	h.restart()
	h.run()
	if a, err := h.d.AccountByName(bg, "alice"); err != nil || a.Name != "alice@"+realm {
		t.Errorf("%+v, %v", a, err)
	}
	if why := h.d.RefusedWhy("alice"); why != "" {
		t.Errorf("it is still refused: %s", why)
	}
}

// shortAndQualified are two realms with an "eve" each, and "dora" in the second alone.
func shortAndQualified(t *testing.T, order func(short, q func(*testMachine)) [2]func(*testMachine)) *Realms {
	t.Helper()
	all := NewRealms()
	fill := func(ids identity.IDRange, tokens ...identity.IDToken) func(*testMachine) {
		return func(h *testMachine) {
			h.realms, h.policy.IDs = all, []identity.IDRange{ids}
			for _, tok := range tokens {
				tok.Account.UUID, tok.Groups[0].UUID = uuid.New(), uuid.New()
				h.srv.set(t, tok, func(p *person) { p.password = string(tok.Account.Name) })
			}
		}
	}
	short := fill(identity.IDRange{Min: 1900000000, Max: 1900099999}, token("eve", 1900000105))
	other := func(h *testMachine) {
		qualified(h)
		fill(identity.IDRange{Min: 1900100000, Max: 1900199999}, as("q.org", token("eve", 1900100105)), as("q.org", token("dora", 1900100110)))(h)
	}
	for _, f := range order(short, other) {
		newTestMachine(t, f).online()
	}
	return all
}

func TestAQualifiedRealmBehindAnotherHasNoClashes(t *testing.T) {
	all := shortAndQualified(t, func(s, q func(*testMachine)) [2]func(*testMachine) { return [2]func(*testMachine){s, q} })
	for typed, uid := range map[string]uint32{
		"eve": 1900000105, "eve@example.org": 1900000105, "eve@q.org": 1900100105, "dora": 1900100110, "dora@q.org": 1900100110,
	} {
		a, err := all.AccountByName(bg, typed)
		if err != nil || a.UID != uid {
			t.Errorf("%s: %+v, %v", typed, a, err)
		}
		l := identity.Login{Operation: identity.OpAuthenticate, Service: "login", User: typed}
		if v := all.Decide(bg, l, typing(string(a.Name))); (v.Code == identity.Granted) != (typed == string(a.Name)) {
			t.Errorf("%s: %v", typed, v.Code)
		}
	}
	v, err := all.View(bg)
	must(t, err)
	for a := range v.Accounts() {
		if (a.Realm == 1) != strings.HasSuffix(string(a.Name), "@q.org") {
			t.Errorf("%s is of realm %d", a.Name, a.Realm)
		}
	}
	for g := range v.Groups() {
		if (g.Realm == 1) != strings.HasSuffix(string(g.Name), "@q.org") {
			t.Errorf("group %s is of realm %d", g.Name, g.Realm)
		}
	}
}

// Whatever finds an account of the first realm is no name of another: it would not
// lead back to whom it belongs.
// Promise realms-qualified.
func TestANameThatIsAnotherSpellingInTheFirstRealmIsTheFirsts(t *testing.T) {
	all := shortAndQualified(t, func(s, q func(*testMachine)) [2]func(*testMachine) { return [2]func(*testMachine){q, s} })
	if a, err := all.AccountByName(bg, "eve"); err != nil || a.UID != 1900100105 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := all.AccountByUID(bg, 1900000105); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("the second's eve is answered: %+v, %v", a, err)
	}
	if g, err := all.GroupByGID(bg, 1900000105); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("her group is answered: %+v, %v", g, err)
	}
	var s report.Status
	must(t, all.Handle(bg, identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
	if len(s.Providers) != 2 || len(s.Providers[1].Refused) != 1 || s.Providers[1].Refused[0].Name != "eve" {
		t.Errorf("%+v", s.Providers)
	}
}
