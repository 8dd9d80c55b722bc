package card

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// job is one call in the hands of the worker.
type job struct {
	started time.Time
	limit   time.Duration // without a touch
	// gone is closed when the call has returned, with or without the worker.
	gone chan struct{}
	// waits carries a word each time that the card waits for a finger.
	waits    chan struct{}
	touching bool // guarded by Service.mu
}

// touch tells the caller that the card waits, unless it is gone.
func (j *job) touch() {
	select {
	case j.waits <- struct{}{}:
	case <-j.gone:
	}
}

// pause waits a moment, and tells whether the call is still there.
func (j *job) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-j.gone:
		return false
	}
}

type result[T any] struct {
	value T
	err   error
}

var errLate = errors.New("no answer in time")

// work lets the worker do f, and waits for it as long as ctx and the limits allow: most,
// without the time that a touch takes.
// f must use no memory of the caller that changes.
func work[T any](ctx context.Context, s *Service, most time.Duration, touch func(), f func(*job) (T, error)) (T, error) {
	var none T
	if s.hangs() {
		return none, faulty(identity.CardNoService, errLate)
	}
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return none, s.crowded(ctx.Err())
	case <-limit.C:
		return none, s.crowded(errLate)
	}
	limit.Reset(most) // the wait for a turn does not count
	j := &job{started: time.Now(), limit: most, gone: make(chan struct{}), waits: make(chan struct{})}
	defer close(j.gone)
	s.set(j)
	done := make(chan result[T], 1)
	go func() {
		defer func() { s.set(nil); <-s.turn }()
		v, err := guarded(func() (T, error) { return f(j) })
		done <- result[T]{v, err}
	}()
	for {
		select {
		case r := <-done:
			if r.err != nil {
				return none, fault(r.err)
			}
			return r.value, nil
		case <-j.waits:
			s.mu.Lock()
			j.touching = true
			s.mu.Unlock()
			limit.Reset(s.o.Touch)
			if touch != nil {
				touch()
			}
		case <-limit.C:
			return none, s.late(j, errLate)
		case <-ctx.Done():
			return none, s.late(j, ctx.Err())
		}
	}
}

// guarded calls f. piv-go takes some answers of a card for longer than they are and
// panics: that is this card's fault, and no other call's. What it panicked with is left
// out, because it may hold what the person typed. Whoever holds a card asks through here,
// so that it is given back; the worker does for what is left.
func guarded[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			var none T
			v, err = none, faulty(identity.CardUnsupported, fmt.Errorf("%w: panic of type %T", errGarbage, p))
		}
	}()
	return f()
}

func (s *Service) set(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = j
}

// hangs tells whether the worker has been away for longer than any call may take.
func (s *Service) hangs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.current
	return j != nil && !j.touching && time.Since(j.started) >= j.limit
}

// crowded is what a call gets that never had its turn.
func (s *Service) crowded(err error) error {
	if s.hangs() {
		return faulty(identity.CardNoService, err)
	}
	return faulty(identity.CardBusy, err)
}

// late is what a call gets whose worker did not come back.
func (s *Service) late(j *job, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.touching {
		return faulty(identity.CardUntouched, errors.Join(errTouch, err))
	}
	return faulty(identity.CardNoService, err)
}
