package realm

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// A client that was taken over can be refused as often as it likes, and must not fill
// the audit log. So of each client only so many rows a minute are written for what came
// to nothing; the rest is counted, and written down as one row when the minute is over.
// Failures are counted for the locks all the same, and what was allowed or changed is
// always written down.
const (
	strayRows  = 10  // steps that belong to no session
	denialRows = 600 // refusals, and authentications that were given up
	keyRows    = 10  // changes of the sealing key; more are refused
	rowsEvery  = time.Minute
)

// rowKind is what rows are counted for.
type rowKind string

const (
	RowStray  rowKind = "no such session"
	RowDenial rowKind = "refused or given up"
	RowKey    rowKind = "sealing key"
)

func (k rowKind) most() int {
	switch k {
	case RowStray:
		return strayRows
	case RowDenial:
		return denialRows
	default:
		return keyRows
	}
}

// rowBudget counts the rows of each client.
type rowBudget struct {
	mu sync.Mutex
	m  map[rowsOf]*Spent
}

type rowsOf struct {
	client uuid.UUID
	kind   rowKind
}

type Spent struct {
	Actor string
	Kind  rowKind
	Since time.Time
	rows  int
	More  uint64 // that no row tells of yet
}

func newRowBudget() *rowBudget { return &rowBudget{m: make(map[rowsOf]*Spent)} }

// note tells whether this one gets a row.
func (b *rowBudget) Note(client uuid.UUID, actor string, kind rowKind, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := rowsOf{client, kind}
	s, ok := b.m[of]
	if !ok {
		s = &Spent{Actor: actor, Kind: kind, Since: now}
		b.m[of] = s
	}
	if s.rows >= kind.most() {
		s.More++
		return false
	}
	s.rows++
	return true
}

// drain returns what no row tells of, and begins a new minute for those whose minute
// is over.
func (b *rowBudget) Drain(now time.Time) []Spent {
	b.mu.Lock()
	defer b.mu.Unlock()
	var told []Spent
	for of, s := range b.m {
		if gone := now.Sub(s.Since); gone >= 0 && gone < rowsEvery {
			continue
		}
		if s.More > 0 {
			told = append(told, *s)
		}
		delete(b.m, of)
	}
	return told
}
