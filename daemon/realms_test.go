package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// twoRealms are two servers and one machine that asks both: ada and bob of the
// first, and of the second carol and another bob.
type twoRealms struct {
	*Realms
	first, second *testMachine
}

func newTwoRealms(t *testing.T, tweak ...func(*testMachine)) *twoRealms {
	t.Helper()
	all := NewRealms()
	person := func(h *testMachine, name string, uid uint32, groups ...identity.Group) {
		tok := token(name, uid, groups...)
		tok.Account.UUID, tok.Groups[0].UUID = uuid.New(), uuid.New()
		h.srv.set(t, tok, func(p *person) { p.password = name + "'s" })
	}
	join := func(ids identity.IDRange, fill func(*testMachine)) *testMachine {
		return newTestMachine(t, append([]func(*testMachine){func(h *testMachine) {
			h.realms, h.policy.IDs = all, []identity.IDRange{ids}
			fill(h)
		}}, tweak...)...)
	}
	w := &twoRealms{Realms: all}
	w.first = join(identity.IDRange{Min: 1900000000, Max: 1900099999}, func(h *testMachine) {
		person(h, "ada", 1900000100, stuff)
		person(h, "bob", 1900000101)
	})
	w.second = join(identity.IDRange{Min: 1900100000, Max: 1900199999}, func(h *testMachine) {
		imposed := stuff
		imposed.GID = 1900100001
		person(h, "carol", 1900100100, imposed)
		person(h, "bob", 1900100101)
	})
	for _, h := range []*testMachine{w.first, w.second} {
		h.run()
		if h.only {
			continue // it is online when it has answered
		}
		h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	}
	return w
}

func (w *twoRealms) login(name, password string) identity.Code {
	w.first.t.Helper()
	l := identity.Login{Operation: identity.OpAuthenticate, Service: "login", User: name, Peer: identity.Peer{UID: 0}}
	return w.Decide(bg, l, typing(password)).Code
}

// Promise realms-separate.
func TestEachRealmAnswersForItsOwnPeople(t *testing.T) {
	w := newTwoRealms(t)
	for name, uid := range map[string]uint32{"ada": 1900000100, "bob": 1900000101, "carol": 1900100100} {
		a, err := w.AccountByName(bg, name)
		if err != nil || a.UID != uid {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if back, err := w.AccountByUID(bg, uid); err != nil || back.Name != a.Name {
			t.Errorf("uid %d: %+v, %v", uid, back, err)
		}
		if code := w.login(name, name+"'s"); code != identity.Granted {
			t.Errorf("%s logs in: %v", name, code)
		}
	}
	if code := w.login("carol", "ada's"); code != identity.Denied {
		t.Error("another realm's password:", code)
	}
	if _, err := w.AccountByName(bg, "dora"); !errors.Is(err, identity.ErrNotFound) {
		t.Error("nobody:", err)
	}
	if code := w.login("dora", "x"); code != identity.UnknownUser {
		t.Error("nobody:", code)
	}
}

// Promise realms-separate.
func TestANameThatTwoRealmsHaveIsTheFirstsAndStatusSaysSo(t *testing.T) {
	w := newTwoRealms(t)
	if _, err := w.AccountByUID(bg, 1900100101); !errors.Is(err, identity.ErrNotFound) {
		t.Error("the second bob is answered:", err)
	}
	var names []string
	v, err := w.View(bg)
	must(t, err)
	last := uint32(0)
	for a := range v.Accounts() {
		if a.UID <= last {
			t.Error("the view is not in order")
		}
		last = a.UID
		names = append(names, string(a.Name))
	}
	if !slices.Equal(names, []string{"ada", "bob", "carol"}) {
		t.Errorf("the view has %v", names)
	}
	var s report.Status
	must(t, w.Handle(bg, identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
	if len(s.Providers) != 2 || !slices.ContainsFunc(s.Providers[1].Refused, func(r report.Refusal) bool { return r.Name == "bob" }) {
		t.Errorf("%+v", s.Providers)
	}
	// And when the first loses it, it is the second's.
	for id, p := range w.first.srv.people {
		if p.token.Account.Name == "bob" {
			w.first.srv.remove(id)
		}
	}
	w.first.wait("the first bob gone", func() bool { return w.first.d.Directory().Named("bob") == nil })
	if a, err := w.AccountByName(bg, "bob"); err != nil || a.UID != 1900100101 {
		t.Errorf("%+v, %v", a, err)
	}
}

// The second server puts carol into a group with the uuid of one of the first's, which
// may log in here and gives the group docker.
// Promise realms-separate.
func TestNoRealmPutsItsPeopleIntoAnothersGroups(t *testing.T) {
	w := newTwoRealms(t, func(h *testMachine) {
		h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID}
		h.policy.LocalGroups = map[string]uuid.UUID{"docker": stuff.UUID}
		h.local("group", "root:x:0:\ndocker:x:998:\n")
	})
	if code := w.login("ada", "ada's"); code != identity.Granted {
		t.Error("a member:", code)
	}
	if code := w.login("carol", "carol's"); code == identity.Granted {
		t.Error("a member by another realm's word is let in")
	}
	ids, err := w.GroupsOf(bg, "carol")
	if err != nil || len(ids.Local) > 0 || len(ids.GIDs) != 1 {
		t.Error(ids, err)
	}
	v, err := w.View(bg)
	must(t, err)
	for a := range v.Accounts() {
		if want := a.Name == "ada"; (len(a.Local) > 0) != want {
			t.Errorf("%s has the local groups %v", a.Name, a.Local)
		}
	}
	if g, err := w.GroupByGID(bg, 1900100001); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("the second's group of that name or uuid is answered: %+v, %v", g, err)
	}
	if g, err := w.GroupByName(bg, "stuff"); err != nil || g.GID != stuff.GID || !slices.Equal(g.Members, []identity.Name{"ada"}) {
		t.Errorf("%+v, %v", g, err)
	}
}

// Promise realms-slow-answer.
func TestARealmThatHangsHoldsUpNobodyOfAnother(t *testing.T) {
	w := newTwoRealms(t)
	w.first.srv.be(hanging)
	if _, err := w.AccountByName(bg, "carol"); err != nil {
		t.Error(err)
	}
	if code := w.login("carol", "carol's"); code != identity.Granted {
		t.Error(code)
	}
	if _, err := w.AccountByName(bg, "ada"); err != nil {
		t.Error("and who is remembered is still answered:", err)
	}
}

// Promise realms-slow-answer.
func TestWhoIsRememberedIsAskedOfNoOtherRealm(t *testing.T) {
	w := newTwoRealms(t, func(h *testMachine) { h.only = true })
	if _, err := w.AccountByName(bg, "carol"); err != nil {
		t.Fatal(err)
	}
	asked := w.first.srv.fetches.Load()
	if asked == 0 {
		t.Error("the first was never asked for a name that nobody knew")
	}
	if _, err := w.AccountByName(bg, "carol"); err != nil {
		t.Error(err)
	}
	if _, err := w.AccountByUID(bg, 1900100100); err != nil {
		t.Error(err)
	}
	if n := w.first.srv.fetches.Load(); n != asked {
		t.Errorf("the first was asked %d more times", n-asked)
	}
}

// Promise realms-separate.
func TestSubordinateIDsOfTwoRealmsNeverOverlap(t *testing.T) {
	w := newTwoRealms(t)
	var given []identity.IDRange
	for _, name := range []string{"ada", "carol", "bob"} {
		r, err := w.SubIDsOf(bg, identity.Peer{UID: 0}, name)
		must(t, err)
		for _, o := range given {
			if r.Min <= o.Max && o.Min <= r.Max {
				t.Errorf("%s gets %s, where %s is given", name, r, o)
			}
		}
		given = append(given, r)
	}
	if !w.peers.HoldsSubID(given[0].Min) || !w.second.d.o.Realms.peers.HoldsSubID(given[0].Min) {
		t.Error("what one has given out another does not know")
	}
}

// Each change wakes who follows, be there one realm or two: what one listener takes
// off the channel no other gets.
// Promise refresh-told.
func TestWhoeverFollowsIsToldOfEveryChangeOfEveryRealm(t *testing.T) {
	for name, build := range map[string]func(t *testing.T) (*Realms, *testMachine){
		"one": func(t *testing.T) (*Realms, *testMachine) {
			all := NewRealms()
			return all, newTestMachine(t, func(h *testMachine) { h.realms = all })
		},
		"two": func(t *testing.T) (*Realms, *testMachine) {
			all := NewRealms()
			newTestMachine(t, func(h *testMachine) {
				h.realms, h.policy.IDs = all, []identity.IDRange{{Min: 1900100000, Max: 1900199999}}
			})
			return all, newTestMachine(t, func(h *testMachine) {
				h.realms, h.policy.IDs = all, []identity.IDRange{{Min: 1900000000, Max: 1900099999}}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			all, h := build(t)
			ctx, stop := context.WithCancel(bg)
			ended := alongside(func() { _ = all.Run(ctx) })
			defer func() { stop(); <-ended }()
			h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
			for i := range 20 {
				before := all.Revisions().Content
				h.srv.set(t, token(fmt.Sprintf("p%d", i), uint32(1900000200+i)), nil)
				for all.Revisions().Content == before { // each send is one look at them, or more
					select {
					case <-all.Changed():
					case <-time.After(20 * time.Second):
						t.Fatal("nobody was told of a change")
					}
				}
			}
		})
	}
}

func alongside(run func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() { defer close(ended); run() }()
	return ended
}

// What the file in force was made of is its content: that the server came or went
// since makes it no older.
func TestAFileIsNotOutOfDateForAStandingThatChanged(t *testing.T) {
	w := newTwoRealms(t)
	stale := func() bool {
		t.Helper()
		var s report.Status
		must(t, w.Handle(bg, identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
		return s.Directory.StaleSince != nil
	}
	at := w.first.clk.now()
	of := w.Revisions()
	w.second.d.Directory().Stand(func() identity.DirectoryStanding { return identity.DirectoryStanding{} })
	if w.Revisions().Standing == of.Standing {
		t.Fatal("the standing did not change")
	}
	w.SetPublished(of, report.Directory{Written: &at})
	if stale() {
		t.Error("a file of this very content is out of date")
	}
	of.Content--
	w.SetPublished(of, report.Directory{Written: &at})
	if !stale() {
		t.Error("a file of older content is not")
	}
}

// Promise realms-slow-answer.
func TestNobodyIsUnknownWhileOneRealmCannotTell(t *testing.T) {
	w := newTwoRealms(t, func(h *testMachine) { h.only = true })
	if _, err := w.AccountByName(bg, "dora"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("both say no: %v", err)
	}
	for _, h := range []*testMachine{w.first, w.second} {
		h.srv.be(down)
		w.first.clk.pass(noFor) // what both said before is no longer remembered
		w.second.clk.pass(noFor)
		if _, err := w.AccountByName(bg, "dora"); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("one of them is away: %v", err)
		}
		h.srv.be(up)
		h.wait("the end of its pause", func() bool { return !h.d.Link().JustFailed() })
	}
}
