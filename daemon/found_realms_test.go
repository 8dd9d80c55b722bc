package daemon

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// newTwoGroupRealms are two realms whose servers find groups, each with ada or carol
// in none. The second has a group with the name and the uuid of the first's stuff, and
// the group tools of its own.
func newTwoGroupRealms(t *testing.T, tweak ...func(*testMachine)) (w *twoRealms, imposed, ours identity.Group) {
	t.Helper()
	all := NewRealms()
	imposed, ours = stuff, tools
	imposed.GID, ours.GID = 1900100001, 1900100002
	join := func(first, last uint32, person string, groups ...identity.Group) *testMachine {
		h := newTestMachine(t, append([]func(*testMachine){func(h *testMachine) {
			h.realms, h.policy.IDs = all, []identity.IDRange{{Min: first, Max: last}}
			h.groups = &groupServer{groups: map[uuid.UUID]identity.Group{}}
			h.groups.set(groups...)
			tok := token(person, first+100)
			tok.Account.UUID, tok.Groups[0].UUID = uuid.New(), uuid.New()
			h.srv.set(t, tok, func(p *someone) { p.password = person + "'s" })
		}}, tweak...)...)
		h.run()
		return h
	}
	w = &twoRealms{Realms: all}
	w.first = join(1900000000, 1900099999, "ada", stuff)
	w.second = join(1900100000, 1900199999, "carol", imposed, ours)
	return w, imposed, ours
}

// someone is a person of a server.
type someone = person

// Promise groups-on-demand-members.
func TestAGroupThatTwoRealmsHaveIsTheFirsts(t *testing.T) {
	w, imposed, ours := newTwoGroupRealms(t)
	if g, err := w.GroupByName(bg, "stuff"); err != nil || g.GID != stuff.GID {
		t.Errorf("%+v, %v", g, err)
	}
	if g, err := w.GroupByGID(bg, imposed.GID); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("the second's is answered: %+v, %v", g, err)
	}
	if g, err := w.GroupByName(bg, "tools"); err != nil || g.UUID != ours.UUID {
		t.Errorf("%+v, %v", g, err)
	}
	v, err := w.View(bg)
	must(t, err)
	var gids []uint32
	for g := range v.Groups() {
		gids = append(gids, g.GID)
	}
	if !slices.Equal(gids, []uint32{stuff.GID, ours.GID}) {
		t.Errorf("the view has %v", gids)
	}
}

// Promise groups-on-demand-members.
func TestAGroupThatIsRememberedIsAskedOfNoOtherRealm(t *testing.T) {
	for sentence, qualified := range map[string]bool{"by its short name": false, "with its realm": true} {
		t.Run(sentence, func(t *testing.T) {
			w, _, ours := newTwoGroupRealms(t, func(h *testMachine) { h.policy.QualifiedGroups = qualified })
			if qualified {
				ours.Name += "@" + realm
				w.second.groups.set(ours)
			}
			if g, err := w.GroupByName(bg, "tools"); err != nil || g.Name != ours.Name {
				t.Fatal(g, err)
			}
			asked := w.first.groups.asked.Load()
			if asked != 1 {
				t.Errorf("the first was asked %d times for what nobody knew", asked)
			}
			w.first.srv.be(hanging)
			if _, err := w.GroupByName(bg, "tools"); err != nil {
				t.Error(err)
			}
			if _, err := w.GroupByGID(bg, ours.GID); err != nil {
				t.Error(err)
			}
			if n := w.first.groups.asked.Load(); n != asked {
				t.Errorf("the first was asked %d more times", n-asked)
			}
		})
	}
}

// The second server has a group with the uuid of one of the first's that may log in
// here and gives the group docker, and puts carol into it. Once the first has shown the
// group she has nothing of it, whoever asks for the second's and however many others
// are asked for.
// Promise groups-on-demand-members.
func TestBeingAskedForAGroupNeverMakesItAnotherRealms(t *testing.T) {
	w, imposed, _ := newTwoGroupRealms(t, func(h *testMachine) {
		h.policy.AllowAll, h.policy.AllowGroups = false, []uuid.UUID{stuff.UUID}
		h.policy.LocalGroups, h.policy.MaxGroups = map[string]uuid.UUID{"docker": stuff.UUID}, 2
		h.local("group", "root:x:0:\ndocker:x:998:\n")
	})
	if _, err := w.GroupByGID(bg, stuff.GID); err != nil {
		t.Fatal(err)
	}
	for id, p := range w.second.srv.people {
		tok := p.token
		tok.Groups = append(slices.Clone(tok.Groups), imposed)
		w.second.srv.set(t, tok, func(p *person) { p.token.Groups = tok.Groups })
		_ = id
	}
	for i := range uint32(5) { // a crowd
		g := identity.Group{UUID: uuid.New(), Name: identity.Name("crowd" + string(rune('a'+i))), GID: 1900001000 + i}
		w.first.groups.set(g)
		if _, err := w.GroupByName(bg, string(g.Name)); err != nil {
			t.Fatal(err)
		}
	}
	if code := w.login("carol", "carol's"); code == identity.Granted {
		t.Error("a member by another realm's word is let in")
	}
	ids, err := w.GroupsOf(bg, "carol")
	if err != nil || len(ids.Local) > 0 || len(ids.GIDs) != 1 {
		t.Error(ids, err)
	}
	if g, err := w.GroupByName(bg, "stuff"); err != nil || g.GID != stuff.GID || len(g.Members) > 0 {
		t.Errorf("%+v, %v", g, err)
	}
}
