package store

import (
	"testing"
	"time"
)

func term(t *testing.T, s *Store) (n uint64) {
	t.Helper()
	write(t, s, func(tx *Tx) (err error) { _, n, err = tx.Term(); return err })
	return n
}

// TestTheTermRisesWithACopyAndWithNothingElse is the table in term.go.
// Promise fleet-split.
func TestTheTermRisesWithACopyAndWithNothingElse(t *testing.T) {
	s, _ := newStore(t)
	at := func(kind HistoryKind, now time.Time) (was, is uint64) {
		was = term(t, s)
		write(t, s, func(tx *Tx) error { _, err := tx.Begin(kind, "", 0, now); return err })
		return was, term(t, s)
	}
	set := func(what string) {
		write(t, s, func(tx *Tx) error { _, err := tx.exec(`UPDATE realm SET ` + what); return err })
	}
	other := func() { set(`copy = 'another'`) }
	if term(t, s) == 0 {
		t.Error("a new realm counts none")
	}
	set(`term = 0`) // as the last release left it
	before := uint64(time.Now().UnixMilli()) - 1000
	if was, is := at(Started, time.Now()); was != 0 || is < before {
		t.Errorf("where none was counted: %d, then %d", was, is)
	}
	if was, is := at(Started, time.Now().Add(time.Hour)); is != was {
		t.Errorf("a start: %d, then %d", was, is)
	}
	if was, is := at(Lost, time.Now().Add(time.Hour)); is != was {
		t.Errorf("a loss: %d, then %d", was, is)
	}
	if was, is := at(Restored, time.Now()); is <= was {
		t.Errorf("a restore: %d, then %d", was, is)
	}
	other()
	if was, is := at(Started, time.Now()); is <= was {
		t.Errorf("another copy: %d, then %d", was, is)
	}
	// A clock that is behind makes no term that is lower.
	other()
	if was, is := at(Started, time.Unix(1, 0)); is <= was {
		t.Errorf("another copy, by a clock that is behind: %d, then %d", was, is)
	}
	// The first change of another copy begins it as well.
	other()
	was := term(t, s)
	add(t, s, "alice")
	if is := term(t, s); is <= was {
		t.Errorf("another copy, by its first change: %d, then %d", was, is)
	}
	was = term(t, s) + 1<<40 // another copy's, far ahead
	write(t, s, func(tx *Tx) error { return tx.Supersede(was, time.Now()) })
	if is := term(t, s); is <= was {
		t.Errorf("superseded %d by %d", was, is)
	}
}
