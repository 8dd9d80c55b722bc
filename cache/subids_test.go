package cache

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// Promise subids-once.
func TestARangeOfSubordinateIDsIsKeptForGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path)
	p := tokenFor("alice", 1)
	must(t, c.Apply(bg, Batch{Realm: "p", Put: []Put{p}}))
	a, b := SubIDs{UUID: p.UUID, Start: 700000000}, SubIDs{UUID: uuid.New(), Start: 600000000}
	must(t, c.GiveSubIDs(bg, "p", a))
	must(t, c.GiveSubIDs(bg, "p", b))
	for sentence, s := range map[string]SubIDs{
		"a range twice":           {UUID: uuid.New(), Start: a.Start},
		"an account's second":     {UUID: a.UUID, Start: 800000000},
		"the very same once more": a,
	} {
		if err := c.GiveSubIDs(bg, "p", s); err == nil {
			t.Errorf("%s is given", sentence)
		}
	}
	for sentence, end := range map[string]func() error{
		"removed":   func() error { return c.Apply(bg, Batch{Realm: "p", Remove: []uuid.UUID{a.UUID}}) },
		"forgotten": func() error { return c.Forget(bg, a.UUID, uuid.Nil) },
		"cleared":   func() error { return c.Clear(bg) },
		"reopened":  func() error { must(t, c.Close()); c = openAt(t, path); return nil },
	} {
		must(t, end())
		if got, err := c.SubIDs(bg, "p"); err != nil || !slices.Equal(got, []SubIDs{b, a}) {
			t.Errorf("%s: %v, %v", sentence, got, err)
		}
	}
	if got, err := c.SubIDs(bg, "another"); err != nil || len(got) != 0 {
		t.Errorf("another provider's: %v, %v", got, err)
	}
	must(t, c.Close())
}

func TestADatabaseOfTheFirstVersionIsBroughtUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	c := openAt(t, path)
	p := tokenFor("alice", 1)
	must(t, c.Apply(bg, Batch{Realm: "p", Put: []Put{p}}))
	for _, q := range []string{
		"DROP TABLE subids", "DROP TABLE sealed", "DROP TABLE steps", "DROP TABLE groups", "DROP TABLE failures", "DROP TABLE places", "DROP TABLE verifiers", "DROP TABLE contact", "DROP TABLE refused", "DROP TABLE verify_keys", "DROP TABLE verify_contacts", "DROP TABLE verify_notes",
		"DROP INDEX tokens_by_revision", migrations[0][3], migrations[0][4], migrations[0][5], `INSERT INTO failures VALUES (x'` + hex.EncodeToString(p.UUID[:]) + `', 'password', 7, 60, 90)`,
		"PRAGMA user_version = 1",
	} { // as the first version left it
		_, err := c.db.ExecContext(bg, q)
		must(t, err)
	}
	must(t, c.Close())
	c = openAt(t, path)
	defer c.Close()
	if _, err := c.Token(bg, p.UUID); err != nil || c.Rebuilt() != "" {
		t.Fatalf("%v, rebuilt %q", err, c.Rebuilt())
	}
	must(t, c.GiveSubIDs(bg, "p", SubIDs{UUID: p.UUID, Start: 600113152}))
	if f, err := c.Failures(bg, p.UUID, "password", "unknown"); err != nil || f.Count != 7 || f.LockedUntil.Unix() != 90 {
		t.Errorf("failures %+v, %v", f, err)
	}
}
