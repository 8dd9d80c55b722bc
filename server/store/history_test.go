package store

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// begin begins a history as a start does.
func begin(t *testing.T, s *Store, kind HistoryKind) (h History) {
	t.Helper()
	write(t, s, func(tx *Tx) (err error) { h, err = tx.Begin(kind, "", 10, time.Now()); return err })
	return h
}

// Promise history-restart.
func TestOnlyAPositionThatTheChainHasIsKnown(t *testing.T) {
	s, _ := newStore(t)
	one := begin(t, s, Started)
	add(t, s, "alice")
	endOfOne := position(t, s)
	two := begin(t, s, Started)
	add(t, s, "bob")
	now := position(t, s)
	for _, c := range []struct {
		what    string
		history uuid.UUID
		at      uint64
		known   bool
	}{
		{"the newest", two.ID, now, true},
		{"above the newest", two.ID, now + 1, false},
		{"where the history began", two.ID, two.First, true},
		{"a position of the one before, heard in this one", two.ID, endOfOne, true},
		{"the end of the one before", one.ID, endOfOne, true},
		{"behind the branch", one.ID, endOfOne + 1, false},
		{"a position of this one, heard in the one before", one.ID, now, false},
		{"a history that is not here", uuid.New(), endOfOne, false},
		{"a history that is not here, at nothing", uuid.New(), 0, false},
		{"no history, in the first", uuid.Nil, endOfOne, true},
		{"no history, between the two", uuid.Nil, endOfOne + 1, false},
		{"no history, in the second", uuid.Nil, now, true},
		{"no history, above all", uuid.Nil, now + 1, false},
		{"no history, at nothing", uuid.Nil, 0, true},
	} {
		var known bool
		write(t, s, func(tx *Tx) (err error) { known, err = tx.Knows(c.history, c.at); return err })
		if known != c.known {
			t.Errorf("%s: known %t, want %t", c.what, known, c.known)
		}
	}
}

func TestADatabaseOfBeforeHistoriesGoesOn(t *testing.T) {
	s, _ := newStore(t)
	add(t, s, "alice")
	heard := position(t, s)
	write(t, s, func(tx *Tx) error { _, err := tx.exec(`DELETE FROM histories`); return err }) // as the last release left it
	begin(t, s, Started)
	add(t, s, "bob")
	for at, want := range map[uint64]bool{0: true, heard: true, heard + 1: false, position(t, s): true} {
		var known bool
		write(t, s, func(tx *Tx) (err error) { known, err = tx.Knows(uuid.Nil, at); return err })
		if known != want {
			t.Errorf("a machine of the last release at %d of %d: known %t", at, heard, known)
		}
	}
}

func TestALossRenewsEveryAccountAndLeavesAGap(t *testing.T) {
	s, _ := newStore(t)
	a := add(t, s, "alice")
	before := position(t, s)
	h := begin(t, s, Restored)
	if h.First-before < lossUnit || h.First >= lastRevision {
		t.Errorf("the first revision after a loss at %d is %d", before, h.First)
	}
	write(t, s, func(tx *Tx) error {
		now, err := tx.Account(a.UUID)
		if err == nil && now.Revision <= h.First {
			t.Errorf("alice has revision %d, the history began at %d", now.Revision, h.First)
		}
		return err
	})
	if b := add(t, s, "bob"); b.UID != a.UID+11 {
		t.Errorf("bob has uid %d, alice %d, and 10 were to be left out", b.UID, a.UID)
	}
	write(t, s, func(tx *Tx) error {
		loss, err := tx.Loss()
		if err == nil && loss.ID != h.ID {
			t.Errorf("the newest loss is %v", loss)
		}
		return err
	})
}

func TestTheFirstChangeOfAProcessBeginsItsHistory(t *testing.T) {
	s, path := newStore(t)
	add(t, s, "alice")
	first := position(t, s)
	add(t, s, "bob")
	if now := position(t, s); now != first+1 {
		t.Errorf("the second change has revision %d, the first %d", now, first)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopened(t, path)
	add(t, s, "carol")
	if now := position(t, s); now <= first+2 {
		t.Errorf("after a restart the next change has revision %d, the last had %d", now, first+1)
	}
}
