package daemon

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

func onlyFetches(h *testMachine) { h.only = true }

// comes sets how a realm's server behaves, and waits for the end of its pause.
func (h *testMachine) comes(m mode) {
	h.t.Helper()
	h.srv.be(m)
	h.wait("the end of its pause", func() bool { return !h.d.Link().JustFailed() })
}

// Promise realms-newcomer.
func TestSomebodyNewIsTakenOnceTheRealmsAheadHaveSaid(t *testing.T) {
	for way, look := range map[string]func(*twoRealms) error{
		"by name": func(w *twoRealms) error { _, err := w.AccountByName(bg, "carol"); return err },
		"by uid":  func(w *twoRealms) error { _, err := w.AccountByUID(bg, 1900100100); return err },
		"groups":  func(w *twoRealms) error { _, err := w.GroupsOf(bg, "carol"); return err },
		"keys":    func(w *twoRealms) error { _, err := w.KeysFor(bg, identity.Peer{}, "carol"); return err },
		"login": func(w *twoRealms) error {
			code := w.login("carol", "carol's")
			if code == identity.Granted {
				return nil
			}
			if code == identity.Unavailable {
				return identity.ErrUnavailable
			}
			return errors.New(code.String())
		},
	} {
		t.Run(way, func(t *testing.T) {
			w := newTwoRealms(t, onlyFetches)
			w.first.srv.be(down)
			for range 2 { // what was fetched in vain does not count as known
				if err := look(w); !errors.Is(err, identity.ErrUnavailable) {
					t.Fatalf("the first cannot say whether it has a carol: %v", err)
				}
			}
			if w.second.d.Directory().Named("carol") != nil {
				t.Fatal("and she is taken")
			}
			if w.second.d.Link().Now() != resolver.Online {
				t.Error("and the second counts as away")
			}
			w.first.comes(up)
			if err := look(w); err != nil {
				t.Fatalf("the first has none: %v", err)
			}
			w.first.comes(down)
			if err := look(w); err != nil {
				t.Errorf("who is known stays: %v", err)
			}
		})
	}
}

// Promise realms-newcomer.
func TestANameOfARealmAheadIsFoundByTheOthersNumber(t *testing.T) {
	w := newTwoRealms(t, onlyFetches)
	if _, err := w.AccountByUID(bg, 1900100101); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("the second's bob is answered: %v", err)
	}
	if a, err := w.AccountByName(bg, "bob"); err != nil || a.UID != 1900000101 {
		t.Errorf("%+v, %v", a, err)
	}
	var s report.Status
	must(t, w.Handle(bg, identity.Peer{}, report.VerbStatus, nil, func(v any) error { s = v.(report.Status); return nil }))
	if !slices.ContainsFunc(s.Providers[1].Refused, func(r report.Refusal) bool { return r.Name == "bob" }) {
		t.Errorf("%+v", s.Providers)
	}
}

// The first gets somebody by the name of one that the second has had for long: whoever
// logs in by it, and with whatever, makes it known.
// Promise realms-newcomer.
func TestANewcomerOfARealmAheadIsSeenAtALogin(t *testing.T) {
	for kind, tweak := range map[string]func(*testMachine){
		"that is asked": onlyFetches, "that tells": func(h *testMachine) { h.only = h.policy.IDs[0].Min == 1900000000 },
	} {
		t.Run("beside one "+kind, func(t *testing.T) {
			w := newTwoRealms(t, tweak)
			if a, err := w.AccountByName(bg, "carol"); err != nil || a.UID != 1900100100 {
				t.Fatal(a, err)
			}
			tok := token("carol", 1900000102)
			tok.Account.UUID, tok.Groups[0].UUID = uuid.New(), uuid.New()
			w.first.srv.set(t, tok, func(p *person) { p.password = "the new one's" })
			if code := w.login("carol", "the new one's"); code == identity.Granted {
				t.Fatal("let in before she is known")
			}
			w.first.wait("the first's is seen", func() bool { return w.first.d.Directory().Named("carol") != nil })
			if a, err := w.AccountByName(bg, "carol"); err != nil || a.UID != 1900000102 {
				t.Error(a, err)
			}
			if code := w.login("carol", "the new one's"); code != identity.Granted {
				t.Error(code)
			}
			if code := w.login("carol", "carol's"); code != identity.Denied {
				t.Error("the second's password:", code)
			}
		})
	}
}

// Promise realms-newcomer.
func TestAKnownPersonsLoginDoesNotWaitForARealmAhead(t *testing.T) {
	w := newTwoRealms(t, onlyFetches)
	if _, err := w.AccountByName(bg, "carol"); err != nil {
		t.Fatal(err)
	}
	w.first.srv.be(hanging)
	if code := w.login("carol", "carol's"); code != identity.Granted {
		t.Fatal(code)
	}
	if w.first.d.Link().JustFailed() {
		t.Error("the login took as long as the patience with the first")
	}
}

// Promise realms-newcomer.
func TestWhatBecomesOfAKnownPersonIsLearntWithoutARealmAhead(t *testing.T) {
	w := newTwoRealms(t, onlyFetches)
	if _, err := w.AccountByName(bg, "carol"); err != nil {
		t.Fatal(err)
	}
	w.first.srv.be(down)
	for _, p := range w.second.srv.people {
		if p.token.Account.Name == "carol" {
			p.token.State = identity.Disabled
			w.second.srv.set(t, p.token, nil)
		}
	}
	l := identity.Login{Operation: identity.OpAccount, Service: "sshd", User: "carol"}
	if v := w.Decide(bg, l, typing()); v.Code == identity.Granted {
		t.Error("she was disabled, and is let in")
	}
}

// Promise realms-newcomer.
func TestWhoCouldNotTellRefuses(t *testing.T) {
	w := newTwoRealms(t, onlyFetches)
	w.second.srv.be(down)
	if code := w.login("carol", "carol's"); code != identity.Unavailable {
		t.Errorf("the second, whose she is, is away: %v", code)
	}
	w.second.comes(up)
	if code := w.login("nobody", "x"); code != identity.UnknownUser {
		t.Errorf("both say no: %v", code)
	}
}

// member puts somebody of a realm into a group more.
func (h *testMachine) member(name identity.Name, g identity.Group) {
	h.t.Helper()
	for _, p := range h.srv.people {
		if p.token.Account.Name == name {
			tok := p.token
			tok.Groups = append(slices.Clone(tok.Groups), g)
			h.srv.set(h.t, tok, func(p *person) { p.token.Groups = tok.Groups })
		}
	}
}

// The second has a group by the name of one of the first's, which nobody asked for yet.
// Promise realms-newcomer.
func TestAGroupOfAHigherRealmIsSeenBeforeOneOfItsName(t *testing.T) {
	for kind, check := range map[string]func(*twoRealms, identity.Group){
		"somebody new": func(w *twoRealms, imposed identity.Group) {
			w.second.member("carol", imposed)
			w.first.groups.broken.Store(imposed.Name)
			if _, err := w.AccountByName(bg, "carol"); !errors.Is(err, identity.ErrUnavailable) {
				w.first.t.Errorf("the first cannot say whether it has the group: %v", err)
			}
			w.first.groups.broken.Store(identity.Name(""))
			w.first.wait("the end of its pause", func() bool { return !w.first.d.Link().JustFailed() })
			if _, err := w.AccountByName(bg, "carol"); err != nil {
				w.first.t.Error(err)
			}
		},
		"somebody known, at a login": func(w *twoRealms, imposed identity.Group) {
			if _, err := w.AccountByName(bg, "carol"); err != nil {
				w.first.t.Error(err)
			}
			w.second.member("carol", imposed)
			must(w.first.t, w.second.d.FetchName(bg, "carol"))
			if code := w.login("carol", "carol's"); code != identity.Granted {
				w.first.t.Error(code)
			}
			w.first.wait("the first's group is seen", func() bool { return w.first.d.Directory().HasGroup("stuff") })
		},
	} {
		t.Run(kind, func(t *testing.T) {
			w, imposed, _ := newTwoGroupRealms(t)
			imposed.UUID = uuid.New()
			check(w, imposed)
			if !w.first.d.Directory().HasGroup("stuff") {
				t.Error("the first's group was not asked for")
			}
			ids, err := w.GroupsOf(bg, "carol")
			if err != nil || len(ids.GIDs) != 1 {
				t.Errorf("%+v, %v", ids, err)
			}
			if g, err := w.GroupByName(bg, "stuff"); err != nil || g.GID != stuff.GID || len(g.Members) > 0 {
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
}
