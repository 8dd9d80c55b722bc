package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/store"
)

// How many steps that belong to no session are written down of one machine, each by
// itself; the rest is counted and written down as one row, see abandoned.
const (
	bogusRows  = 10
	bogusEvery = time.Minute
)

// bogus counts steps that belong to no session.
type bogus struct {
	mu sync.Mutex
	m  map[uuid.UUID]*strays
}

type strays struct {
	machine store.Machine
	since   time.Time
	rows    int
	more    uint64 // that no row tells of yet
}

func newBogus() *bogus { return &bogus{m: make(map[uuid.UUID]*strays)} }

// note tells whether this one gets a row.
func (b *bogus) note(m store.Machine, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.m[m.UUID]
	if !ok {
		s = &strays{machine: m, since: now}
		b.m[m.UUID] = s
	}
	if s.rows >= bogusRows {
		s.more++
		return false
	}
	s.rows++
	return true
}

// drain returns what no row tells of, and begins a new minute for those whose minute
// is over.
func (b *bogus) drain(now time.Time) []strays {
	b.mu.Lock()
	defer b.mu.Unlock()
	var told []strays
	for id, s := range b.m {
		if gone := now.Sub(s.since); gone >= 0 && gone < bogusEvery {
			continue
		}
		if s.more > 0 {
			told = append(told, *s)
		}
		delete(b.m, id)
	}
	return told
}

const strayed = "no such session"

// strayed answers a step that belongs to no session.
func (e *engine) strayed(ctx context.Context, m store.Machine) (answer, error) {
	a := answer{message: denial, reason: strayed}
	if !e.bogus.note(m, e.now()) {
		return a, nil
	}
	return e.deny(ctx, m, &session{}, a)
}

// recordStrayed writes down what got no row of its own.
func (e *engine) recordStrayed(tx *store.Tx, list []strays) error {
	for _, s := range list {
		why := fmt.Sprintf("%s, %d more times since %s", strayed, s.more, s.since.UTC().Format(time.RFC3339))
		if err := tx.Record(entry(e.now(), s.machine.Name, "auth.deny", &session{}, why)); err != nil {
			return err
		}
	}
	return nil
}
