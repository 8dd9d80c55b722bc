package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

var smallRange = identity.IDRange{Min: 2_000_000_000, Max: 2_000_000_099}

// server is PostgreSQL while the tests are run on it; nil: they are run on SQLite.
var server *postgres.Server

// Every test is run on each database.
func TestMain(m *testing.M) {
	os.Exit(postgres.OnEach(m, func(s *postgres.Server) { server = s }))
}

// newStore makes one, and tells where it is.
func newStore(t testing.TB) (*Store, string) {
	t.Helper()
	if server == nil {
		return newFile(t)
	}
	address := server.Realm(t)
	if err := Create(t.Context(), address, Realm{Name: "r", IDs: smallRange, OfflineFor: 60}); err != nil {
		t.Fatal(err)
	}
	return reopened(t, address), address
}

// reopened opens what newStore made once more.
func reopened(t testing.TB, where string) *Store {
	t.Helper()
	s, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newFile(t testing.TB) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a ? % # b.db")
	if err := Create(t.Context(), path, Realm{Name: "r", IDs: smallRange, OfflineFor: 60}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, path
}

// dropped takes a trigger of the audit log away.
func dropped(trigger string) string {
	if server == nil {
		return "DROP TRIGGER " + trigger
	}
	return "DROP TRIGGER " + trigger + " ON audit"
}

func write(t *testing.T, s *Store, f func(*Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func person(name identity.Name) Account {
	return Account{Account: identity.Account{Name: name, Home: "/home/" + string(name), Shell: "/bin/sh"}, State: identity.Active, ValidUntil: identity.Never}
}

func add(t *testing.T, s *Store, name identity.Name) (a Account) {
	t.Helper()
	write(t, s, func(tx *Tx) (err error) {
		a, err = tx.AddAccount(person(name))
		return err
	})
	return a
}

func addGroup(t *testing.T, s *Store, name identity.Name) (g identity.Group) {
	t.Helper()
	write(t, s, func(tx *Tx) (err error) {
		g, err = tx.AddGroup(identity.Group{Name: name})
		return err
	})
	return g
}

// Promise 3.
func TestAnIDIsNeverGivenOutTwice(t *testing.T) {
	s, _ := newStore(t)
	first := add(t, s, "first")
	write(t, s, func(tx *Tx) error { return tx.RemoveAccount(first.UUID) })
	again := add(t, s, "first")
	if again.UID == first.UID || again.UUID == first.UUID || again.UID != first.UID+1 {
		t.Fatalf("first %d, then %d", first.UID, again.UID)
	}
	err := s.Write(t.Context(), func(tx *Tx) error {
		a := person("third")
		a.UID = first.UID
		_, err := tx.AddAccount(a)
		return err
	})
	if !errors.Is(err, ErrUsedID) {
		t.Fatalf("asked for a used id: %v", err)
	}
	if err := s.Write(t.Context(), func(tx *Tx) error { _, err := tx.exec(`DELETE FROM posix_ids`); return err }); err == nil {
		t.Fatal("ids were given back")
	}
}

func TestTheRangeEndsWithAnErrorAndReservedIDsAreRefused(t *testing.T) {
	s, _ := newStore(t)
	for i := range 100 {
		addGroup(t, s, identity.Name(fmt.Sprintf("g%d", i)))
	}
	err := s.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.AddGroup(identity.Group{Name: "more"})
		return err
	})
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	for _, id := range []uint32{999, 61200, 65534, 4294967295} {
		err := s.Write(t.Context(), func(tx *Tx) error {
			a := person("eve")
			a.UID = id
			_, err := tx.AddAccount(a)
			return err
		})
		if !errors.Is(err, identity.ErrID) {
			t.Errorf("id %d: %v", id, err)
		}
	}
}

func TestANameBelongsToOneAccountOrOneGroup(t *testing.T) {
	s, _ := newStore(t)
	add(t, s, "alice")
	err := s.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.AddGroup(identity.Group{Name: "alice"})
		return err
	})
	if !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
}

func TestNestedGroupsAreFlattenedAndCyclesRefused(t *testing.T) {
	s, _ := newStore(t)
	alice, bob := add(t, s, "alice"), add(t, s, "bob")
	inner, middle, outer := addGroup(t, s, "inner"), addGroup(t, s, "middle"), addGroup(t, s, "outer")
	write(t, s, func(tx *Tx) error { return tx.AddAccountTo(inner.UUID, alice.UUID) })
	write(t, s, func(tx *Tx) error { return tx.AddAccountTo(middle.UUID, bob.UUID) })
	write(t, s, func(tx *Tx) error { return tx.AddGroupTo(middle.UUID, inner.UUID) })
	var before uint64
	write(t, s, func(tx *Tx) (err error) { before, err = tx.Position(); return err })
	write(t, s, func(tx *Tx) error { return tx.AddGroupTo(outer.UUID, middle.UUID) })
	write(t, s, func(tx *Tx) error {
		changes, ok, err := tx.Changes(uuid.Nil, before, 10)
		if err != nil || !ok || len(changes) != 2 || changes[0].Revision == changes[1].Revision {
			t.Errorf("changes %v %v %v", changes, ok, err)
		}
		groups, err := tx.GroupsOf(alice)
		if err != nil || len(groups) != 4 || groups[0].GID != alice.GID || groups[1].Name != "inner" || groups[3].Name != "outer" {
			t.Errorf("groups %v %v", groups, err)
		}
		return nil
	})
	for child, parent := range map[uuid.UUID]uuid.UUID{outer.UUID: inner.UUID, inner.UUID: inner.UUID} {
		if err := s.Write(t.Context(), func(tx *Tx) error { return tx.AddGroupTo(parent, child) }); !errors.Is(err, ErrCycle) {
			t.Errorf("cycle: %v", err)
		}
	}
	write(t, s, func(tx *Tx) error { return tx.RemoveGroup(middle) })
	write(t, s, func(tx *Tx) error {
		groups, err := tx.GroupsOf(bob)
		if err != nil || len(groups) != 1 {
			t.Errorf("bob is in %v %v", groups, err)
		}
		return nil
	})
}

func position(t *testing.T, s *Store) (revision uint64) {
	t.Helper()
	write(t, s, func(tx *Tx) (err error) { revision, err = tx.Position(); return err })
	return revision
}

func TestAPositionThatTheLogCannotGoOnFromIsSaidSo(t *testing.T) {
	s, _ := newStore(t)
	a := add(t, s, "alice")
	add(t, s, "bob")
	write(t, s, func(tx *Tx) error { return tx.RemoveAccount(a.UUID) })
	gone := position(t, s)
	ok := func(position uint64) (ok bool) {
		write(t, s, func(tx *Tx) (err error) { _, ok, err = tx.Changes(uuid.Nil, position, 10); return err })
		return ok
	}
	if !ok(0) || !ok(gone) || ok(gone+1) || ok(math.MaxUint64) {
		t.Fatal("before compaction")
	}
	write(t, s, func(tx *Tx) error { return tx.CompactChanges(time.Now().Add(time.Hour)) })
	if ok(0) || ok(gone-1) || !ok(gone) {
		t.Fatal("after compaction")
	}
}

// Promise audit-prune.
func TestTheAuditLogRefusesChangesAndShowsThoseThatWereForced(t *testing.T) {
	s, _ := newStore(t)
	for i := range 5 {
		write(t, s, func(tx *Tx) error {
			return tx.Record(Entry{Time: time.Unix(int64(i), 0), Actor: "uid 0", Action: "test", Subject: fmt.Sprint(i)})
		})
	}
	verify := func() (err error) {
		return s.Read(t.Context(), func(tx *Tx) error {
			_, _, err := tx.VerifyAudit()
			return err
		})
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`UPDATE audit SET subject = 'x' WHERE id = 2`, `DELETE FROM audit WHERE id = 2`} {
		if err := s.Write(t.Context(), func(tx *Tx) error { _, err := tx.exec(q); return err }); err == nil {
			t.Fatal("accepted:", q)
		}
		tx, err := s.begin(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, forced := range []string{dropped(`audit_no_update`), dropped(`audit_no_delete`), q} {
			if _, err := tx.ExecContext(t.Context(), forced); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := (&Tx{ctx: t.Context(), tx: tx, engine: s.engine}).VerifyAudit(); !errors.Is(err, ErrAudit) {
			t.Fatalf("after %s: %v", q, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// Promise audit-prune.
func TestAPrunedAuditLogStillVerifies(t *testing.T) {
	s, _ := newStore(t)
	at := func(sec int64) time.Time { return time.Unix(sec, 0) }
	// The fourth row is dated before the third: a clock was set back.
	for _, sec := range []int64{1, 2, 5, 3, 8} {
		write(t, s, func(tx *Tx) error { return tx.Record(Entry{Time: at(sec), Action: "test"}) })
	}
	verify := func(rows, newest int64) {
		t.Helper()
		write(t, s, func(tx *Tx) error {
			n, head, err := tx.VerifyAudit()
			if n != rows || head.ID != newest {
				t.Errorf("%d rows, the newest %d; want %d and %d", n, head.ID, rows, newest)
			}
			return err
		})
	}
	prune := func(before, rows, last int64) {
		t.Helper()
		write(t, s, func(tx *Tx) error {
			n, head, err := tx.PruneAudit(at(before))
			if n != rows || head.ID != last {
				t.Errorf("before %d: %d rows, the last %d; want %d and %d", before, n, head.ID, rows, last)
			}
			return err
		})
	}
	prune(1, 0, 0)
	prune(4, 2, 2)
	verify(3, 5)
	prune(4, 0, 0)
	prune(100, 2, 4) // the newest stays
	verify(1, 5)
	write(t, s, func(tx *Tx) error { return tx.Record(Entry{Time: at(9), Action: "test"}) })
	verify(2, 6)
	for _, q := range []string{`DELETE FROM audit WHERE id = 5`, `UPDATE audit_base SET pruned_to = 3`, `UPDATE audit SET action = 'x' WHERE id = 5`} {
		if err := s.Write(t.Context(), func(tx *Tx) error { _, err := tx.exec(q); return err }); err == nil {
			t.Error("accepted:", q)
		}
	}
	write(t, s, func(tx *Tx) error {
		if _, err := tx.exec(`UPDATE audit_base SET hash = ?`, []byte{0}); err != nil {
			return err
		}
		if _, _, err := tx.VerifyAudit(); !errors.Is(err, ErrAudit) {
			t.Errorf("another base: %v", err)
		}
		return nil
	})
}

func TestTimeDoesNotTurnBack(t *testing.T) {
	s, _ := newStore(t)
	write(t, s, func(tx *Tx) error {
		if _, err := tx.Clock(time.Unix(1000, 0)); err != nil {
			return err
		}
		now, err := tx.Clock(time.Unix(10, 0))
		if now.Unix() != 1000 {
			t.Errorf("clock says %d", now.Unix())
		}
		return err
	})
}

func TestARowRewrittenWithAFreshHashOfItsOwnBreaksTheChain(t *testing.T) {
	s, _ := newStore(t)
	for range 3 {
		write(t, s, func(tx *Tx) error { return tx.Record(Entry{Time: time.Unix(1, 0), Action: "test"}) })
	}
	write(t, s, func(tx *Tx) error {
		var first []byte
		if err := tx.get([]any{&first}, `SELECT hash FROM audit WHERE id = 1`); err != nil {
			return err
		}
		forged := Entry{ID: 2, Time: time.Unix(1, 0), Action: "forged"}
		if _, err := tx.exec(dropped(`audit_no_update`)); err != nil {
			return err
		}
		if _, err := tx.exec(`UPDATE audit SET action = 'forged', hash = ? WHERE id = 2`, forged.chain(first)); err != nil {
			return err
		}
		if rows, _, err := tx.VerifyAudit(); !errors.Is(err, ErrAudit) || rows != 3 {
			t.Errorf("at row %d: %v", rows, err)
		}
		return nil
	})
}
