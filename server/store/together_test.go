package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-auth/sallyport/identity"
)

// Whoever asks is answered with a moment that is not before the question: a revocation that
// was acknowledged is in each answer to what is asked from then on.
// Promise fleet-together.
func TestAnAnswerIsNeverOlderThanItsQuestion(t *testing.T) {
	var moment atomic.Int64
	r := &together[int64, int64]{read: func(_ context.Context, asked []int64) ([]int64, error) {
		now := moment.Load()
		return slices.Repeat([]int64{now}, len(asked)), nil
	}}
	var g errgroup.Group
	for range 64 {
		g.Go(func() error {
			for range 500 {
				at := moment.Add(1)
				if got, err := r.ask(t.Context(), at); err != nil || got < at {
					return fmt.Errorf("asked at %d, answered of %d, %w", at, got, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// crowd has many ask while all readers are busy, and then the readers go on.
func crowd[Q comparable](t *testing.T, r *together[Q, Q], questions []Q, wrong func(q, got Q, err error) bool) {
	t.Helper()
	r.readers = readersAtOnce
	var g errgroup.Group
	for _, q := range questions {
		g.Go(func() error {
			if got, err := r.ask(t.Context(), q); wrong(q, got, err) {
				return fmt.Errorf("%v is answered with %v, %w", q, got, err)
			}
			return nil
		})
	}
	for waiting := 0; waiting < len(questions); {
		r.mu.Lock()
		waiting = len(r.waiting)
		r.mu.Unlock()
	}
	for range readersAtOnce {
		go r.readOn()
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// Promise fleet-together.
func TestThoseWhoWaitShareAReading(t *testing.T) {
	var readings atomic.Int64
	r := &together[int, int]{read: func(_ context.Context, asked []int) ([]int, error) {
		readings.Add(1)
		return asked, nil
	}}
	var numbers []int
	for n := range 5 * mostTogether {
		numbers = append(numbers, n)
	}
	crowd(t, r, numbers, func(q, got int, err error) bool { return q != got || err != nil })
	if n := readings.Load(); n != 5 {
		t.Errorf("%d readings for %d questions", n, len(numbers))
	}
}

// Promise fleet-together.
func TestAQuestionThatFailsIsItsAskersAlone(t *testing.T) {
	bad := errors.New("not a name")
	r := &together[string, string]{read: func(_ context.Context, asked []string) ([]string, error) {
		if slices.Contains(asked, "bad") {
			return nil, bad
		}
		return asked, nil
	}}
	questions := make([]string, 200)
	for n := range questions {
		questions[n] = fmt.Sprint(n)
		if n%7 == 0 {
			questions[n] = "bad"
		}
	}
	crowd(t, r, questions, func(q, got string, err error) bool {
		return q == "bad" && !errors.Is(err, bad) || q != "bad" && (err != nil || got != q)
	})
}

// Promise fleet-together.
func TestWhoLeavesIsWaitedForByNobody(t *testing.T) {
	goOn := make(chan struct{})
	r := &together[int, int]{read: func(_ context.Context, asked []int) ([]int, error) {
		<-goOn
		return asked, nil
	}}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := r.ask(ctx, 1)
		left <- err
	}()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("it left with %v", err)
	}
	close(goOn)
	if got, err := r.ask(t.Context(), 2); got != 2 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
}

// Many at once are told what each is told alone, also beside one that the database does not
// take: PostgreSQL has no NUL in a text.
// Promise fleet-together.
func TestManyAtOnceAreToldWhatEachIsToldAlone(t *testing.T) {
	s, _ := newStore(t)
	holder(t, s, false, false)
	key := bytes.Repeat([]byte{9}, 32)
	write(t, s, func(tx *Tx) error {
		_, err := tx.Join([]byte("code"), key, time.Unix(3, 0))
		return err
	})
	var g errgroup.Group
	for n := range 96 {
		g.Go(func() error {
			by, k, known := ByName("alice"), key, true
			switch n % 6 {
			case 1:
				by, known = ByName("nobody"), false
			case 2:
				k, known = bytes.Repeat([]byte{8}, 32), false
			case 3:
				by, known = ByName("ali\x00ce"), false
			}
			a, signs, err := s.AccountForKey(t.Context(), k, by)
			if known && (err != nil || a.Name != "alice" || len(signs.Key) == 0) || !known && err == nil {
				return fmt.Errorf("account %d: %v, %w", n, a, err)
			}
			m, err := s.MachineForKey(t.Context(), k)
			if n%6 == 2 && !errors.Is(err, identity.ErrNotFound) || n%6 != 2 && (err != nil || !bytes.Equal(m.Key, k)) {
				return fmt.Errorf("machine %d: %v, %w", n, m, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
