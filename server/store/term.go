package store

import (
	"time"

	"github.com/google/uuid"
)

// The term of a database says which copy of it is the newest. It rises where a history
// begins that another copy writes, never where a server only starts:
//
//	a history begins                            the term
//	of a new realm, or where none was counted   is the time, in milliseconds
//	of another copy than the one before         rises, to the time at least
//	by a restore                                rises, to the time at least
//	of a server that starts on the same copy    stays
//	after a loss on the same copy               stays: an older primary that a machine shows
//	                                            what it has not must not become the newest
//
// So of two primaries that one database became, the one that was promoted has the higher
// term, and of a backup and the realm that went on without it, the one that was restored
// last. The time is the database's own where it has a clock.

// nextTerm is the term that a history of that kind begins with now.
func (t *Tx) nextTerm(kind HistoryKind, now time.Time) (uint64, error) {
	var term, millis uint64
	var wrote, copied string
	err := t.get([]any{&term, &wrote, &copied, &millis}, `SELECT term, copy, `+t.engine.copied()+`, `+t.engine.clock()+` FROM realm`)
	if err != nil || term != 0 && copied == wrote && kind != Restored {
		return term, err
	}
	if millis == 0 {
		millis = uint64(now.UnixMilli())
	}
	return max(term+1, millis), nil
}

// Term is the history that is written now, and the term of the database. A program that
// has seen a higher one is at an older copy.
func (t *Tx) Term() (history uuid.UUID, term uint64, err error) {
	err = t.get([]any{&history, &term}, `SELECT (SELECT id FROM histories ORDER BY seq DESC LIMIT 1), term FROM realm`)
	return history, term, err
}

// Supersede makes this copy the newest of the realm, above a term that was seen of another.
func (t *Tx) Supersede(seen uint64, now time.Time) error {
	return t.one(`UPDATE realm SET term = ?`, int64(max(seen+1, uint64(now.UnixMilli())))) //nolint:gosec // below 2^63, and after 1970
}
