package cache

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
)

func groupFor(name string, asked uint64) Group {
	return Group{
		UUID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)), Signed: []byte("signed " + name),
		Fetched: time.Unix(7, 0), Asked: time.Unix(0, int64(asked)),
	}
}

func TestGroupsComeBackInTheOrderInWhichTheyWereAskedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path)
	crew, staff, tools := groupFor("crew", 3), groupFor("staff", 1), groupFor("tools", 2)
	must(t, c.Apply(bg, Batch{Realm: "p", Groups: []Group{crew, staff, tools}}))
	must(t, c.Apply(bg, Batch{Realm: "other", Groups: []Group{groupFor("theirs", 1)}}))
	staff.Asked, staff.Signed = time.Unix(0, 4), []byte("newer")
	must(t, c.Apply(bg, Batch{Realm: "p", Groups: []Group{staff}, Ungroup: []uuid.UUID{tools.UUID, uuid.New()}}))
	must(t, c.Close())
	c = openAt(t, path)
	got, err := c.Groups(bg, "p")
	if want := []Group{crew, staff}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestAGroupGoesWithTheAccountWhoseOwnItIsAndWithEverything(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "c.db"))
	p, own, crew := tokenFor("alice", 1), groupFor("alice's", 1), groupFor("crew", 1)
	must(t, c.Apply(bg, Batch{Realm: "p", Put: []Put{p}, Groups: []Group{own, crew}}))
	must(t, c.Forget(bg, p.UUID, own.UUID))
	if got, err := c.Groups(bg, "p"); err != nil || len(got) != 1 || got[0].UUID != crew.UUID {
		t.Error(got, err)
	}
	must(t, c.Clear(bg))
	if got, err := c.Groups(bg, "p"); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}
