package server

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
	rowStray  rowKind = "no such session"
	rowDenial rowKind = "refused or given up"
	rowKey    rowKind = "sealing key"
)

func (k rowKind) most() int {
	switch k {
	case rowStray:
		return strayRows
	case rowDenial:
		return denialRows
	default:
		return keyRows
	}
}

// rowBudget counts the rows of each client.
type rowBudget struct {
	mu sync.Mutex
	m  map[rowsOf]*spent
}

type rowsOf struct {
	client uuid.UUID
	kind   rowKind
}

type spent struct {
	actor string
	kind  rowKind
	since time.Time
	rows  int
	more  uint64 // that no row tells of yet
}

func newRowBudget() *rowBudget { return &rowBudget{m: make(map[rowsOf]*spent)} }

// note tells whether this one gets a row.
func (b *rowBudget) note(client uuid.UUID, actor string, kind rowKind, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := rowsOf{client, kind}
	s, ok := b.m[of]
	if !ok {
		s = &spent{actor: actor, kind: kind, since: now}
		b.m[of] = s
	}
	if s.rows >= kind.most() {
		s.more++
		return false
	}
	s.rows++
	return true
}

// drain returns what no row tells of, and begins a new minute for those whose minute
// is over.
func (b *rowBudget) drain(now time.Time) []spent {
	b.mu.Lock()
	defer b.mu.Unlock()
	var told []spent
	for of, s := range b.m {
		if gone := now.Sub(s.since); gone >= 0 && gone < rowsEvery {
			continue
		}
		if s.more > 0 {
			told = append(told, *s)
		}
		delete(b.m, of)
	}
	return told
}
