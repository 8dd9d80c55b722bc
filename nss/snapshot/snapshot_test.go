package snapshot_test

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/nss/snapshot"
)

// fixed is a view of plain lists.
type fixed struct {
	accounts []identity.Listed
	groups   []identity.ListedGroup
}

func (f *fixed) Accounts() iter.Seq[*identity.Listed] {
	return func(yield func(*identity.Listed) bool) {
		for i := range f.accounts {
			a := f.accounts[i]
			if !yield(&a) {
				return
			}
		}
	}
}
func (f *fixed) Groups() iter.Seq[identity.ListedGroup] { return slices.Values(f.groups) }

const base = 1900000000

func listed(name identity.Name, gid uint32) identity.ListedGroup {
	return identity.ListedGroup{Group: identity.Group{Name: name, GID: gid}}
}

func person(i uint32, gids ...uint32) identity.Listed {
	name := fmt.Sprintf("user%d", i)
	return identity.Listed{
		Account: identity.Account{
			UUID: uuid.New(), Name: identity.Name(name), UID: base + i, GID: base + i,
			FullName: "User " + name, Home: "/home/" + name, Shell: "/bin/bash",
		},
		GroupIDs: identity.GroupIDs{GIDs: append([]uint32{base + i}, gids...)},
	}
}

// directoryOf has n people with groups of their own, in a few shared groups.
func directoryOf(n uint32) *fixed {
	f := &fixed{}
	for i := range n {
		f.accounts = append(f.accounts, person(i, base+n+i%3, base+n+3))
		f.groups = append(f.groups, listed(f.accounts[i].Name, base+i))
	}
	for i := range uint32(4) {
		f.groups = append(f.groups, listed(identity.Name(fmt.Sprintf("team%d", i)), base+n+i))
	}
	return f
}

func write(t testing.TB, v identity.View, o snapshot.Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "directory")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := snapshot.Write(f, v, o); err != nil {
		t.Fatal(err)
	}
	return path
}

// current is what a daemon that knows everything says.
func current() snapshot.Options {
	return snapshot.Options{
		Realms: []snapshot.Realm{{Name: "example.org"}}, Aliases: true, AbsentUntil: time.Now().Add(10 * time.Minute),
		Standing: identity.DirectoryStanding{Absent: true, Until: identity.Forever()},
	}
}

func open(t testing.TB, path string) *snapshot.Reader {
	t.Helper()
	r, err := snapshot.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestEverybodyIsFoundByNameAndByNumber(t *testing.T) {
	for _, n := range []uint32{0, 1, 7, 100, 5000} {
		v := directoryOf(n)
		r := open(t, write(t, v, current()))
		if err := r.Check(); err != nil {
			t.Fatalf("%d people: %v", n, err)
		}
		for _, want := range v.accounts {
			got, err := r.AccountByName(string(want.Name))
			want.UUID = uuid.Nil
			if err != nil || got.Account != want.Account || !slices.Equal(got.GIDs, want.GIDs) {
				t.Fatalf("%s: %+v, %v", want.Name, got, err)
			}
			own, err := r.GroupByGID(want.GID)
			if err != nil || own.Name != want.Name || !slices.Equal(own.Members, []identity.Name{want.Name}) {
				t.Fatalf("group of %s: %+v, %v", want.Name, own, err)
			}
		}
		g, err := r.GroupByName("team3")
		if err != nil || len(g.Members) != int(n) {
			t.Errorf("team3 has %d members of %d: %v", len(g.Members), n, err)
		}
		if i := r.Info(); i.Accounts != int(n) || i.Groups != 4 {
			t.Errorf("info: %+v", i)
		}
	}
}

func TestAnAbsentNameIsAnAnswerOnlyWhileTheFileIsCurrent(t *testing.T) {
	for what, c := range map[string]struct {
		o    snapshot.Options
		want error
	}{
		"current":                    {current(), identity.ErrNotFound},
		"not whole":                  {with(func(o *snapshot.Options) { o.Standing.Absent = false }), identity.ErrUnavailable},
		"no longer current":          {with(func(o *snapshot.Options) { o.AbsentUntil = time.Now().Add(-time.Second) }), identity.ErrUnavailable},
		"current until far too late": {with(func(o *snapshot.Options) { o.AbsentUntil = time.Now().Add(2 * time.Hour) }), identity.ErrUnavailable},
	} {
		t.Run(what, func(t *testing.T) {
			r := open(t, write(t, directoryOf(3), c.o))
			for what, ask := range questions(r) {
				if err := ask("nobody", 42424242); !errors.Is(err, c.want) {
					t.Errorf("%s: %v", what, err)
				}
				if err := ask("user1", base+1); err != nil {
					t.Errorf("%s of one who is there: %v", what, err)
				}
			}
		})
	}
}

func TestAFileThatIsTooOldAnswersNothing(t *testing.T) {
	for what, until := range map[string]time.Time{"never valid": {}, "no longer": time.Now().Add(-time.Second)} {
		r := open(t, write(t, directoryOf(3), with(func(o *snapshot.Options) { o.Standing.Until = until })))
		for kind, ask := range questions(r) {
			if err := ask("user1", base+1); !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("%s, %s: %v", what, kind, err)
			}
		}
	}
}

func with(change func(*snapshot.Options)) snapshot.Options {
	o := current()
	change(&o)
	return o
}

func questions(r *snapshot.Reader) map[string]func(string, uint32) error {
	return map[string]func(string, uint32) error{
		"an account by name": func(n string, _ uint32) error { _, err := r.AccountByName(n); return err },
		"an account by uid":  func(_ string, id uint32) error { _, err := r.AccountByUID(id); return err },
		"a group by name":    func(n string, _ uint32) error { _, err := r.GroupByName(n); return err },
		"a group by gid":     func(_ string, id uint32) error { _, err := r.GroupByGID(id); return err },
	}
}

func TestAliasesFindTheAccountWherePolicyAllows(t *testing.T) {
	for typed, policy := range map[string]bool{"user1": false, "USER1": true, "User1@Example.ORG": true, "user1@example.org": true} {
		for _, aliases := range []bool{true, false} {
			r := open(t, write(t, directoryOf(3), with(func(o *snapshot.Options) { o.Aliases = aliases })))
			a, err := r.AccountByName(typed)
			if found := err == nil && a.Name == "user1"; found != (aliases || !policy) {
				t.Errorf("%q with aliases %v: found %v, %v", typed, aliases, found, err)
			}
			if _, err := r.AccountByName(typed + "x"); !errors.Is(err, identity.ErrNotFound) {
				t.Errorf("%qx: %v", typed, err)
			}
		}
	}
}

func TestOnlyAGroupOfOneAccountIsFoldedIntoIt(t *testing.T) {
	v := &fixed{}
	alone, visited, renamed, elsewhere := person(0), person(1), person(2), person(3, base+1)
	elsewhere.GID, elsewhere.GIDs = base+9, []uint32{base + 9, base + 1}
	v.accounts = []identity.Listed{alone, visited, renamed, elsewhere}
	v.groups = []identity.ListedGroup{listed("user0", base), listed("user1", base+1), listed("other", base+2), listed("user3", base+9)}
	r := open(t, write(t, v, current()))
	if i := r.Info(); i.Groups != 3 {
		t.Errorf("%d groups have records, want 3", i.Groups)
	}
	for gid, want := range map[uint32]string{
		base: "user0 [user0]", base + 1: "user1 [user1 user3]", base + 2: "other [user2]", base + 9: "user3 [user3]",
	} {
		g, err := r.GroupByGID(gid)
		if got := fmt.Sprint(g.Name, " ", g.Members); err != nil || got != want {
			t.Errorf("gid %d: %s, %v, want %s", gid, got, err, want)
		}
		if g, err = r.GroupByName(string(g.Name)); err != nil || g.GID != gid {
			t.Errorf("%s is gid %d: %v", g.Name, g.GID, err)
		}
	}
	if _, err := r.GroupByGID(base + 3); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("a uid that is no gid: %v", err)
	}
	if _, err := r.GroupByName("user2"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("an account's name that is no group's: %v", err)
	}
}

func TestWhatBreaksARuleIsLeftOut(t *testing.T) {
	v := directoryOf(8)
	for i, spoil := range []func(*identity.Listed){
		func(a *identity.Listed) { a.Name = "a:b" },
		func(a *identity.Listed) { a.UID, a.GID = 0, 0 },
		func(a *identity.Listed) { a.GID = 0 },
		func(a *identity.Listed) { a.FullName = "a\nroot:x:0:0" },
		func(a *identity.Listed) { a.Home = "home" },
		func(a *identity.Listed) { a.Local = []uint32{0} },
		func(a *identity.Listed) { a.GIDs = append(a.GIDs, 27) },
	} {
		spoil(&v.accounts[i])
	}
	v.groups = append([]identity.ListedGroup{listed("wheel", 10)}, v.groups...)
	r := open(t, write(t, v, current()))
	if i := r.Info(); i.Accounts != 1 {
		t.Errorf("%d accounts of one good one", i.Accounts)
	}
	if _, err := r.GroupByName("wheel"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("a group with a system's id: %v", err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

func TestLocalGroupsAreKept(t *testing.T) {
	v := directoryOf(20)
	v.accounts[3].Local = []uint32{998, 27}
	r := open(t, write(t, v, current()))
	if a, err := r.AccountByUID(base + 3); err != nil || !slices.Equal(a.Local, []uint32{998, 27}) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestMarksReachAReaderThatHasTheFileMapped(t *testing.T) {
	path := write(t, directoryOf(3), current())
	r := open(t, path)
	m, err := snapshot.OpenMarks(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.SetAbsentUntil(time.Time{})
	if _, err := r.AccountByName("nobody"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("after absence ended: %v", err)
	}
	m.SetAbsentUntil(time.Now().Add(time.Minute))
	if _, err := r.AccountByName("nobody"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("after it was renewed: %v", err)
	}
	m.SetValidUntil(time.Now().Add(-time.Second))
	if _, err := r.AccountByName("user1"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("after its end: %v", err)
	}
	m.SetValidUntil(identity.Forever())
	if m.Supersede(); !r.Superseded() {
		t.Error("superseded is not seen")
	}
	if _, err := r.AccountByName("nobody"); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("absent from a superseded file: %v", err)
	}
	if _, err := r.AccountByName("user1"); err != nil {
		t.Errorf("a superseded file still knows whom it knew: %v", err)
	}
}

// judge asks a damaged file everything: right, or no answer, and never another.
func judge(t *testing.T, path string, v *fixed) (refused bool) {
	t.Helper()
	r, err := snapshot.Open(path)
	if err != nil {
		if !errors.Is(err, snapshot.ErrFormat) {
			t.Fatal(err)
		}
		return true
	}
	defer r.Close()
	for _, want := range v.accounts {
		a, err := r.AccountByName(string(want.Name))
		b, err2 := r.AccountByUID(want.UID)
		for _, g := range []struct {
			a   identity.Listed
			err error
		}{{a, err}, {b, err2}} {
			want.UUID = uuid.Nil
			switch {
			case g.err == nil && (g.a.Account != want.Account || !slices.Equal(g.a.GIDs, want.GIDs)):
				t.Fatalf("%s became %+v", want.Name, g.a)
			case errors.Is(g.err, identity.ErrNotFound):
				t.Fatalf("%s was denied", want.Name)
			}
			refused = refused || g.err != nil
		}
	}
	for i, want := range v.groups[len(v.accounts):] {
		g, err := r.GroupByName(string(want.Name))
		g2, err2 := r.GroupByGID(want.GID)
		if (err == nil && g.GID != want.GID) || (err2 == nil && g2.Name != want.Name) ||
			errors.Is(err, identity.ErrNotFound) || errors.Is(err2, identity.ErrNotFound) {
			t.Fatalf("group %d became %+v, %+v, %v, %v", i, g, g2, err, err2)
		}
		refused = refused || err != nil || err2 != nil
	}
	if _, err := r.AccountByName("nobody"); err == nil {
		t.Fatal("nobody is somebody")
	}
	return refused || r.Check() != nil
}

func TestABitThatFlippedIsRefusedAndNeverFollowed(t *testing.T) {
	v := directoryOf(6)
	path := write(t, v, current())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unnoticed := 0
	for bit := range len(good) * 8 {
		bad := slices.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if !judge(t, path, v) {
			unnoticed++
		}
	}
	// The words that may change (20 bytes), the zeroes of the preamble (28) and what fills up.
	if most := len(good) * 8 / 8; unnoticed > most {
		t.Errorf("%d of %d bits can flip unnoticed", unnoticed, len(good)*8)
	}
	for n := range len(good) {
		if err := os.WriteFile(path, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := snapshot.Open(path); !errors.Is(err, snapshot.ErrFormat) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestAFullDiskIsAnErrorAndNoFile(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := snapshot.Write(f, directoryOf(100), current()); err == nil {
		t.Error("no error")
	}
}
