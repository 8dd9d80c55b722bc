package store

import (
	"context"
	"sync"
)

const (
	// readersAtOnce is how many readings for several are under way at once. With one, the
	// others would wait for an answer that is slow; with many, none would be for several.
	readersAtOnce = 4
	// mostTogether is how many one of them is for. Their number is a power of two, so that
	// there are few texts of the query.
	mostTogether = 32
)

// together answers those who ask the same kind of question at the same time by one reading.
// Each answer is of a moment after its question: who comes while a reading is under way waits
// for the next one, and nothing is remembered. So it is as if each had read for itself, and a
// database that is far, or busy, is asked less the more there is to do.
type together[Q, A any] struct {
	// read answers all of them, in their order.
	read func(ctx context.Context, questions []Q) ([]A, error)

	mu      sync.Mutex
	waiting []*question[Q, A]
	readers int
}

type question[Q, A any] struct {
	asks   Q
	answer A
	err    error
	done   chan struct{}
}

func (t *together[Q, A]) ask(ctx context.Context, asks Q) (A, error) {
	q := &question[Q, A]{asks: asks, done: make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, q)
	if t.readers < readersAtOnce {
		t.readers++
		go t.readOn()
	}
	t.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.err
	case <-ctx.Done():
		var none A
		return none, ctx.Err() //nolint:wrapcheck // the caller's own
	}
}

// readOn goes on until nobody waits.
func (t *together[Q, A]) readOn() {
	for some := t.next(); some != nil; some = t.next() {
		t.answerAll(some)
	}
}

// next are those whom the next reading is for, nil where there are none: then there is a
// reader less.
func (t *together[Q, A]) next() []*question[Q, A] {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(t.waiting), mostTogether)
	if n == 0 {
		t.readers--
		t.waiting = nil
		return nil
	}
	some := t.waiting[:n:n]
	t.waiting = t.waiting[n:]
	return some
}

// answerAll reads for several. Where that fails each is read for by itself, so that a
// question which the database does not take is its asker's alone.
func (t *together[Q, A]) answerAll(some []*question[Q, A]) {
	ask := make([]Q, len(some))
	for i, q := range some {
		ask[i] = q.asks
	}
	answers, err := t.read(context.Background(), ask)
	if err != nil && len(some) > 1 {
		for _, q := range some {
			t.answerAll([]*question[Q, A]{q})
		}
		return
	}
	for i, q := range some {
		if q.err = err; err == nil {
			q.answer = answers[i]
		}
		close(q.done)
	}
}

// padded is a list with its last value repeated until their number is a power of two.
func padded[T any](list []T) []any {
	n := 1
	for n < len(list) {
		n *= 2
	}
	all := make([]any, n)
	for i := range all {
		all[i] = list[min(i, len(list)-1)]
	}
	return all
}
