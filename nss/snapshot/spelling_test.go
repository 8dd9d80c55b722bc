package snapshot_test

import (
	"errors"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// The reader in C has the same rule, and the same test.
// Promise realms-qualified (in Go and in C).
func TestASpellingFindsOnlyItsOwnRealm(t *testing.T) {
	v := &fixed{}
	for i, name := range []identity.Name{"ada", "eve", "dora@q.org", "eve@q.org", "frank"} {
		a, g := person(uint32(i)), listed(name, base+uint32(i))
		a.Name, a.Realm = name, []int{0, 0, 1, 1, 2}[i]
		g.Realm = a.Realm
		v.accounts, v.groups = append(v.accounts, a), append(v.groups, g)
	}
	for i, name := range []identity.Name{"crew", "deck@q.org", "hold"} {
		g := listed(name, base+100+uint32(i))
		g.Realm = i
		v.groups = append(v.groups, g)
	}
	o := current()
	o.Realms = append(o.Realms, snapshot.Realm{Name: "Q.org", QualifiedUsers: true, QualifiedGroups: true}, snapshot.Realm{Name: "third"})
	r := open(t, write(t, v, o))
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]identity.Name{
		"ada": "ada", "ADA": "ada", "ada@example.org": "ada", "ada@q.org": "", "ada@third": "",
		"eve": "eve", "eve@q.org": "eve@q.org", "eve@example.org": "eve", "eve@third": "",
		"dora": "dora@q.org", "Dora@Q.ORG": "dora@q.org", "dora@example.org": "", "dora@q.or": "", "dora@": "",
		"frank": "frank", "frank@third": "frank", "frank@q.org": "", "frank@example.org": "",
	} {
		a, err := r.AccountByName(typed)
		if a.Name != want || (err == nil) != (want != "") || want == "" && !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s is %q, %v; want %q", typed, a.Name, err, want)
		}
		g, err := r.GroupByName(typed) // each account's own
		if g.Name != want || (err == nil) != (want != "") {
			t.Errorf("group %s is %q, %v; want %q", typed, g.Name, err, want)
		}
	}
	for typed, want := range map[string]identity.Name{
		"crew@example.org": "crew", "crew@third": "", "deck": "deck@q.org", "DECK@q.org": "deck@q.org", "hold@third": "hold", "hold@q.org": "",
	} {
		if g, err := r.GroupByName(typed); g.Name != want || (err == nil) != (want != "") {
			t.Errorf("group %s is %q, %v; want %q", typed, g.Name, err, want)
		}
	}
}

func TestRealmsThatTheHeaderHasNoRoomForAreRefused(t *testing.T) {
	long := make([]byte, identity.MaxRealmLen+1)
	for name, realms := range map[string][]snapshot.Realm{
		"too many": make([]snapshot.Realm, identity.MaxRealms+1), "too long": {{Name: string(long)}},
	} {
		o := current()
		o.Realms = realms
		if _, err := snapshot.Write(nil, &fixed{}, o); err == nil {
			t.Errorf("%s: it is written", name)
		}
	}
	v := directoryOf(1)
	v.accounts[0].Realm = 1
	if i := open(t, write(t, v, current())).Info(); i.Accounts != 0 {
		t.Error("an account of a realm that is not named is written")
	}
}
