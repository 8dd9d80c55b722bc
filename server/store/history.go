package store

import (
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// A history is what one start of the server wrote: a random id, and the range of
// revisions from its first to the branch point of the next. A copy of the database
// that is put back begins another history at its next start, so what the machines
// heard of the one that is lost is never taken for something of this one:
//
//	a machine's position                      this database
//	of this history, not above the revision   goes on from there
//	of an earlier one, at or below the        goes on from there: nothing that the machine
//	point where the next one branches off     heard was lost
//	of an earlier one, above that point       does not know it: the machine lists anew
//	of no history in this database            does not know it: the machine lists anew
//
// Revisions of two branches never meet: each history begins at a random place above
// all that this database knows.

// HistoryKind says why a history began.
type HistoryKind string

// The kinds. After Restored and Lost, what machines hold may be of changes that this
// database does not know.
const (
	Founded  HistoryKind = "init"
	Started  HistoryKind = "start"
	Restored HistoryKind = "restore"
	Lost     HistoryKind = "loss"
)

// History is one of the realm's histories.
type History struct {
	ID uuid.UUID
	// Branch is the last revision before it, and First where its own begin.
	Branch, First uint64
	Began         time.Time
	Kind          HistoryKind
	Why           string
}

const (
	// startGap bounds the random step at a start: two branches of one copy meet in one
	// of a hundred thousand cases where each wrote a million changes, and eight million
	// starts fit.
	startGap = 1 << 40
	// lossGap is the step where changes were surely lost, in units of 2^32.
	lossUnit, lossUnits = 1 << 32, 1 << 20
	// lastRevision is the end of it.
	lastRevision = 1 << 62
	// maxHistories bounds the chain: a machine that was away for more starts lists anew.
	maxHistories = 4096
)

// ErrRevisions says that no revisions are left.
var ErrRevisions = errors.New("the realm's revisions are used up")

// random is a number from 1 to below n.
func random(n uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return 1 + binary.BigEndian.Uint64(b[:])%(n-1)
}

// Begin begins a history. After Restored and Lost every account gets a new revision, so
// that machines of the release before histories take what is here as newer too, and
// the next ids to be given out are idGap further on.
func (t *Tx) Begin(kind HistoryKind, why string, idGap uint32, now time.Time) (History, error) {
	branch, err := t.Position()
	if err != nil {
		return History{}, err
	}
	step := random(startGap)
	if kind == Restored || kind == Lost {
		step = random(lossUnits) * lossUnit
	}
	if kind == Founded {
		step = 0
	}
	h := History{ID: uuid.New(), Branch: branch, First: branch + step, Began: now, Kind: kind, Why: why}
	if h.First >= lastRevision {
		return History{}, ErrRevisions
	}
	term, err := t.nextTerm(kind, now)
	if err != nil {
		return History{}, err
	}
	if err := t.one(`UPDATE realm SET revision = ?, term = ?, copy = `+t.engine.copied(), int64(h.First), int64(term)); err != nil { //nolint:gosec // below 2^63
		return History{}, err
	}
	if _, err := t.exec(`INSERT INTO histories (id, branch, first, began, kind, why) VALUES (?, ?, ?, ?, ?, ?)`,
		h.ID, int64(h.Branch), int64(h.First), now.Unix(), string(kind), why); err != nil { //nolint:gosec // as above
		return History{}, err
	}
	t.begun = true
	if _, err := t.exec(`DELETE FROM histories WHERE seq <= (SELECT MAX(seq) FROM histories) - ?`, maxHistories); err != nil {
		return History{}, err
	}
	if kind != Restored && kind != Lost {
		return h, nil
	}
	return h, t.afterLoss(idGap)
}

func (t *Tx) afterLoss(idGap uint32) error {
	// Not more than half of what is left: a small range must not end by it.
	if _, err := t.exec(`UPDATE realm SET id_next = id_next + CASE WHEN id_max - id_next < 0 THEN 0
		WHEN (id_max - id_next) / 2 < ? THEN (id_max - id_next) / 2 ELSE ? END`, idGap, idGap); err != nil {
		return err
	}
	accounts, err := t.Accounts()
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if _, err := t.touch(a.UUID); err != nil {
			return err
		}
	}
	return nil
}

const historyColumns = `SELECT id, branch, first, began, kind, why FROM histories `

func scanHistory(scan func(into ...any) error) (History, error) {
	var h History
	var kind string
	var branch, first, began int64
	err := scan(&h.ID, &branch, &first, &began, &kind, &h.Why)
	h.Kind, h.Began = HistoryKind(kind), time.Unix(began, 0)
	h.Branch, h.First = uint64(branch), uint64(first) //nolint:gosec // the same bits
	return h, err
}

// History is the one that is written now.
func (t *Tx) History() (History, error) {
	return t.history(`ORDER BY seq DESC LIMIT 1`)
}

// Loss is the newest history that began because changes were lost, or
// identity.ErrNotFound.
func (t *Tx) Loss() (History, error) {
	return t.history(`WHERE kind IN (?, ?) ORDER BY seq DESC LIMIT 1`, string(Restored), string(Lost))
}

func (t *Tx) history(which string, args ...any) (History, error) {
	return scanHistory(func(into ...any) error { return t.get(into, historyColumns+which, args...) })
}

// Histories lists them, the newest first.
func (t *Tx) Histories() ([]History, error) {
	var list []History
	err := t.each(func(row *sql.Rows) error {
		h, err := scanHistory(row.Scan)
		list = append(list, h)
		return err
	}, historyColumns+`ORDER BY seq DESC`)
	return list, err
}

// Knows tells whether this database has all that was said in that history up to that
// revision. The zero history is that of a machine which knows of none: then the revision
// alone tells.
func (t *Tx) Knows(history uuid.UUID, revision uint64) (bool, error) {
	now, err := t.Position()
	if err != nil || revision > now {
		return false, err
	}
	var seq int64
	if history == uuid.Nil {
		err = t.get([]any{&seq}, `SELECT COALESCE(MAX(seq), (SELECT MIN(seq) - 1 FROM histories)) FROM histories WHERE first <= ?`,
			int64(revision)) //nolint:gosec // not above now
	} else {
		err = t.get([]any{&seq}, `SELECT seq FROM histories WHERE id = ?`, history)
	}
	if errors.Is(err, identity.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var end int64
	err = t.get([]any{&end}, `SELECT branch FROM histories WHERE seq > ? ORDER BY seq LIMIT 1`, seq)
	if errors.Is(err, identity.ErrNotFound) {
		return true, nil // it is the one that is written now
	}
	return err == nil && revision <= uint64(end), err //nolint:gosec // not below zero
}
