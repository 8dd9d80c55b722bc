package directory

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAPackedAccountIsTheOneThatWasPacked(t *testing.T) {
	e := &Entry{
		account: identity.Account{
			UUID: uuid.New(), Name: "alice", UID: 1900000100, GID: 1900000200, FullName: "Alice Ä", Home: "/home/alice", Shell: "/bin/zsh",
		},
		state: identity.Disabled, validFrom: -5, validUntil: identity.Never, offlineFor: 1 << 31, revision: 1 << 60, keys: 3,
		factors: []identity.Factor{{Kind: identity.Password, Epoch: 1 << 63}, {Kind: identity.TOTP, Epoch: 2, Label: "phone"}},
		fetched: time.Unix(1800000000, 0), seq: 9,
	}
	groups := []uint32{0, 127, 128, 1 << 31}
	p := pack(e, 0, 0, groups)
	got := p.Entry()
	got.packed = nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", e) {
		t.Errorf("got  %+v\nwant %+v", got, e)
	}
	if !slices.Equal(p.numbers(), groups) {
		t.Errorf("groups %v", p.numbers())
	}
}

// open takes every number.
func open() Rules { return Rules{Allowed: func(uint32) bool { return true }} }

// listed is a token of an account with a group of its own.
func listed(name string, id uint32) identity.IDToken {
	return identity.IDToken{
		Account:  identity.Account{UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), Name: identity.Name(name), UID: id, GID: id, Home: "/home/" + name, Shell: "/bin/sh"},
		Groups:   []identity.Group{{UUID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)), Name: identity.Name(name), GID: id}},
		Revision: 1,
	}
}

// model is the index as simply as it can be said.
type model map[uuid.UUID]identity.IDToken

// Promise names-index, groups-on-demand-bounded.
func TestTheIndexIsWhatItWasTold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	teams := make([]identity.Group, 6)
	for i := range teams {
		teams[i] = identity.Group{UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("team%d", i)), GID: 1900001000 + uint32(i)}
	}
	x, m := New(open()), model{}
	asked := map[uuid.UUID]identity.Group{}
	for i := range 8000 {
		n := r.Uint32N(30)
		tok := listed(fmt.Sprintf("p%d", n), 1900000100+n)
		tok.Revision = uint64(i)
		for _, g := range teams {
			if r.IntN(3) == 0 {
				tok.Groups = append(tok.Groups, g)
			}
		}
		switch r.IntN(10) {
		case 0: // in somebody else's own group, which is folded into them
			tok.Groups = append(tok.Groups, listed(fmt.Sprintf("p%d", (n+1)%30), 1900000100+(n+1)%30).Groups[0])
		case 1: // an own group that demands something cannot be folded
			tok.Groups[0].Demands = []identity.FactorKind{identity.TOTP}
		case 2, 3:
			x.Remove(tok.Account.UUID)
			delete(m, tok.Account.UUID)
			x.verify(t, m, asked)
			continue
		case 4: // a group is asked for, or forgotten again; somebody's own too
			g := append(slices.Clone(teams), tok.Groups[0])[r.IntN(len(teams)+1)]
			if _, is := asked[g.UUID]; is && r.IntN(2) == 0 {
				x.unmark(x.groups[g.UUID], false)
				delete(asked, g.UUID)
			} else {
				x.markOnDemand(x.intern(g, 0), time.Unix(1, 0), time.Unix(int64(i), 0))
				asked[g.UUID] = g
			}
			x.verify(t, m, asked)
			continue
		}
		x.put(NewEntry(&tok, time.Unix(1, 0)), tok.Groups)
		m[tok.Account.UUID] = tok
		x.verify(t, m, asked)
	}
}

// verify holds the index to the model: who is there, in what groups, which groups were
// asked for, and that all ways to find it lead to it.
func (x *Directory) verify(t *testing.T, m model, asked map[uuid.UUID]identity.Group) {
	t.Helper()
	members := map[uuid.UUID][]identity.Name{}
	for id, tok := range m {
		e := x.WithUUID(id)
		if e == nil || e.account != tok.Account || e.revision != tok.Revision || x.Named(tok.Account.Name) == nil || x.WithUID(tok.Account.UID) == nil {
			t.Fatalf("%s is lost, or another: %+v", tok.Account.Name, e)
		}
		have := x.GroupsOf(e)
		if len(have) != len(tok.Groups) {
			t.Fatalf("%s is in %v, want %v", tok.Account.Name, have, tok.Groups)
		}
		for i, g := range tok.Groups {
			if have[i].UUID != g.UUID || have[i].problem != "" {
				t.Fatalf("%s: group %d is %v, want %v", tok.Account.Name, i, have[i], g)
			}
			members[g.UUID] = append(members[g.UUID], tok.Account.Name)
		}
		if got := x.uidOf(id); got != tok.Account.UID {
			t.Fatalf("%s is bound to %d", tok.Account.Name, got)
		}
	}
	nobody := Local{accounts: &names{}, groups: &names{}, ahead: foremost{}}
	lists := [][]identity.Group{slices.Collect(maps.Values(asked))}
	for _, tok := range m {
		lists = append(lists, tok.Groups)
	}
	for id := range asked {
		members[id] = slices.Clip(members[id]) // it is there, with members or without
	}
	for _, list := range lists {
		for _, g := range list {
			want := members[g.UUID]
			slices.Sort(want)
			for how, find := range map[string]func() (identity.GroupEntry, bool){
				"name": func() (identity.GroupEntry, bool) { return x.GroupNamed(g.Name, nobody) },
				"gid":  func() (identity.GroupEntry, bool) { return x.GroupAt(g.GID, nobody) },
			} {
				if got, ok := find(); !ok || got.UUID != g.UUID || !slices.Equal(got.Members, want) {
					t.Fatalf("group %s by %s: %v %v, want %v", g.Name, how, got, ok, want)
				}
			}
		}
	}
	folded := 0
	for _, p := range x.All() {
		if p.own != uuid.Nil {
			folded++
		}
	}
	if len(x.All()) != len(m) || len(x.groups)+folded != len(members) {
		t.Fatalf("%d accounts of %d, %d+%d groups of %d", len(x.All()), len(m), len(x.groups), folded, len(members))
	}
}

// A crowd that asks for many groups makes the directory no larger than policy says.
func TestNumbersOfForgottenGroupsAreUsedAgain(t *testing.T) {
	rules := open()
	rules.MaxGroups, rules.Keep = 8, func(uuid.UUID) bool { return false }
	x := New(rules)
	for i := range 120 {
		g := &identity.GroupToken{Group: identity.Group{UUID: uuid.New(), Name: identity.Name(fmt.Sprintf("crowd%d", i)), GID: 1900002000 + uint32(i)}}
		if did := x.ApplyGroup(g, time.Unix(1, 0), time.Unix(int64(i+1), 0)); !did.Known || (len(did.Gone) == 1) != (i >= 8) {
			t.Fatalf("%d: %+v", i, did)
		}
		if n := len(x.numbered); n > 16 {
			t.Fatalf("%d numbers were given", n)
		}
	}
}
