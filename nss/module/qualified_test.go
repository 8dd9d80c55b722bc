package module_test

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/module"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

const (
	dora = "dora@q.org:x:70010:70010:Person dora@q.org:/home/dora@q.org:/bin/bash"
	deck = "deck@q.org:x:70200:dora@q.org,local@q.org"
)

// port has people of three realms: the fewPeople, one whose names are qualified, and one
// whose names are short again. "eve" is a name in all, as far as they go together.
func port() (*view, snapshot.Options) {
	v := fewPeople()
	v.add("eve", 70005)
	realm := func(n int, add func()) {
		accounts, had := len(v.accounts), make(map[uint32]bool)
		for _, g := range v.groups {
			had[g.GID] = true
		}
		add()
		for i := range v.accounts[accounts:] {
			v.accounts[accounts+i].Realm = n
		}
		for i, g := range v.groups {
			if !had[g.GID] {
				v.groups[i].Realm = n
			}
		}
	}
	realm(1, func() {
		v.add("dora@q.org", 70010, 70200)
		v.add("eve@q.org", 70011)
		v.add("local@q.org", 70012, 70200)
		v.groups = append(v.groups, listed("deck@q.org", 70200))
	})
	realm(2, func() {
		v.add("frank", 70300)
		v.groups = append(v.groups, listed("hold", 70400))
	})
	o := whole()
	o.Realms = append(o.Realms, snapshot.Realm{Name: "Q.org", QualifiedUsers: true, QualifiedGroups: true}, snapshot.Realm{Name: "third"})
	return v, o
}

func TestQualifiedNamesAreFoundByEitherForm(t *testing.T) {
	v, o := port()
	publish(t, v, o)
	for _, name := range []string{"dora@q.org", "dora", "DORA", "Dora@Q.Org"} {
		both(t, func(t *testing.T, v variant) {
			want(t, v.ask(t, "pwnam="+name, "groups="+name+"/70010"), dora, "groups 1 0: 70200")
		})
	}
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, "pwuid=70010", "grnam=deck@q.org", "grnam=deck", "grnam=Deck@Q.ORG", "grgid=70200", "grnam=dora", "grnam=dora@q.org"),
			dora, deck, deck, deck, deck, "dora@q.org:x:70010:dora@q.org", "dora@q.org:x:70010:dora@q.org")
		want(t, v.run(t, "pwnam=dora", "grnam=deck", "groups=dora@q.org"), "pwnam: "+dora, "grnam: "+deck, "groups: 1000 70010 70200")
	})
	o.Aliases = false
	publish(t, v, o)
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, "pwnam=dora", "pwnam=Dora@q.org", "grnam=deck", "pwnam=dora@q.org"), absent, absent, absent, dora)
	})
}

// A spelling finds nobody of a realm that it does not name, and the name itself
// comes before any other spelling.
// Promise realms-qualified (in Go and in C).
func TestASpellingFindsOnlyItsOwnRealm(t *testing.T) {
	v, o := port()
	publish(t, v, o)
	entry := func(name, uid string) string {
		return strings.NewReplacer("dora@q.org", name, "70010", uid).Replace(dora)
	}
	both(t, func(t *testing.T, v variant) {
		for name, w := range map[string]string{
			"eve": entry("eve", "70005"), "eve@example.org": entry("eve", "70005"), "eve@q.org": entry("eve@q.org", "70011"),
			"frank": entry("frank", "70300"), "frank@third": entry("frank", "70300"), "frank@example.org": absent, "frank@q.org": absent,
			"eve@third": absent, "alice@q.org": absent, "alice@third": absent, "dora@example.org": absent, "dora@third": absent,
			"dora@": absent, "dora@q.or": absent, "dora@q.orgy": absent, "dora@q.org@q.org": absent,
		} {
			want(t, v.ask(t, "pwnam="+name), w)
		}
		for name, w := range map[string]string{
			"hold@third": "hold:x:70400:", "hold@example.org": absent, "crew@example.org": crew, "crew@third": absent, "deck@third": absent,
		} {
			want(t, v.ask(t, "grnam="+name), w)
		}
	})
}

// glibc asks every service for the groups of every user.
// Promise realms-qualified.
func TestALocalAccountGetsNoGroupOfOneWhoseShortNameIsItsOwn(t *testing.T) {
	v, o := port()
	publish(t, v, o)
	both(t, func(t *testing.T, v variant) {
		want(t, v.ask(t, "groups=local/1000", "groups=local/70012", "groups=local@q.org/70012"),
			"groups 0 ENOENT:", "groups 0 ENOENT:", "groups 1 0: 70200")
	})
}

func TestTheLongestNamesAreFound(t *testing.T) {
	v := fewPeople()
	short, realm := strings.Repeat("a", 64), strings.Repeat("r", 90)
	v.add(short+"@"+realm, 70020).Realm = 1
	v.groups = slices.DeleteFunc(v.groups, func(g identity.ListedGroup) bool { return g.GID == 70020 })
	o := whole()
	o.Realms = append(o.Realms, snapshot.Realm{Name: realm, QualifiedUsers: true})
	publish(t, v, o)
	both(t, func(t *testing.T, v variant) {
		for _, name := range []string{short, strings.ToUpper(short), short + "@" + realm} {
			if got := v.ask(t, "pwnam="+name); !strings.HasPrefix(got, short+"@"+realm+":x:70020:") {
				t.Errorf("%s: %s", name, got)
			}
		}
		want(t, v.ask(t, "pwnam="+short+"@"+realm+"r", "pwnam="+short+"a@"+realm), absent, absent)
	})
}

// Every check holds: only what a name says is wrong.
// Promise realms-qualified.
func TestAQualifiedNameThatIsNoneEntersNoProgram(t *testing.T) {
	v, o := port()
	publish(t, v, o)
	good, err := os.ReadFile(the.path())
	if err != nil {
		t.Fatal(err)
	}
	native := binary.NativeEndian
	record := strings.Index(string(good), "dora@q.org\x00x\x00Person") - 28
	texts := len("dora@q.org.x.Person dora@q.org./home/dora@q.org./bin/bash.")
	for name, w := range map[string]string{
		"dora@q.org": dora, "dora@q@org": unsaid, "@dora.q.or": unsaid, "dora.q.or@": unsaid, "dora@.q.or": unsaid, "dora@-q.or": unsaid, "1234@q.org": unsaid,
	} {
		b := slices.Clone(good)
		copy(b[record+28:], name)
		native.PutUint32(b[record:], uint32(module.Hash(native.Uint64(b[80:])+uint64(record), native.Uint64(b[88:]), b[record+4:record+28+texts])))
		place(t, b)
		both(t, func(t *testing.T, v variant) { want(t, v.ask(t, "pwuid=70010"), w) })
	}
}
