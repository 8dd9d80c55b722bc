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
	askRows    = 300 // requests and what is done to them; more are refused
	rowsEvery  = time.Minute
)

// RowKind is what rows are counted for.
type RowKind string

// The kinds, as the audit log calls them.
const (
	RowStray   RowKind = "no such session"
	RowDenial  RowKind = "refused or given up"
	RowKey     RowKind = "sealing key"
	RowRequest RowKind = "request"
	// RowVerification is of people who make sure of each other.
	RowVerification RowKind = "verification"
)

func (k RowKind) most() int {
	switch k {
	case RowStray:
		return strayRows
	case RowDenial:
		return denialRows
	case RowRequest, RowVerification:
		return askRows
	default:
		return keyRows
	}
}

// RowBudget counts the rows of each client.
type RowBudget struct {
	mu sync.Mutex
	m  map[rowsOf]*Spent
}

type rowsOf struct {
	client uuid.UUID
	kind   RowKind
}

// Spent is what one client had of one kind in a minute.
type Spent struct {
	Actor string
	Kind  RowKind
	Since time.Time
	rows  int
	More  uint64 // that no row tells of yet
}

func newRowBudget() *RowBudget { return &RowBudget{m: make(map[rowsOf]*Spent)} }

// Note tells whether this one gets a row.
func (b *RowBudget) Note(client uuid.UUID, actor string, kind RowKind, now time.Time) bool {
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

// Drain returns what no row tells of, and begins a new minute for those whose minute
// is over.
func (b *RowBudget) Drain(now time.Time) []Spent {
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
