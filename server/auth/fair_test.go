package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise guess-server-work.
func TestThoseWhoWaitAreServedByTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFair[string](1, 3)
		first, err := f.take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		for _, who := range []string{"a", "a", "a", "b", "c", "b"} {
			wg.Go(func() {
				done, err := f.take(t.Context(), who)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, who)
				mu.Unlock()
				done()
			})
			synctest.Wait()
		}
		if _, err := f.take(t.Context(), "a"); !errors.Is(err, realm.ErrTooMany) {
			t.Errorf("a fourth of one key: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := f.take(gone, "d"); !errors.Is(err, context.Canceled) {
				t.Errorf("given up: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		first()
		wg.Wait()
		if got := fmt.Sprint(order); got != "[a b c a b a]" {
			t.Errorf("served %s", got)
		}
		if f.free != 1 || len(f.queue)+len(f.order) != 0 {
			t.Errorf("left over: %+v", f)
		}
	})
}

// One machine asks for as much as it can; a login on another takes its turn.
// Promise attack-machine-work, guess-server-work.
func TestOneMachineCannotUseUpTheHashing(t *testing.T) {
	b := newBench(t)
	other := b.machine("other")
	b.hasher.slots = newFair[uuid.UUID](1, maxWaiting)
	hold, err := b.hasher.slots.take(t.Context(), uuid.Nil)
	b.must(nil, err)
	var wg sync.WaitGroup
	for i := range 40 {
		cookie := b.start(identity.Name(fmt.Sprintf("nobody%d", i)))
		wg.Go(func() { b.answer(b.box, cookie, identity.Password, "wrong") })
	}
	queued := func(m store.Machine) int {
		b.hasher.slots.mu.Lock()
		defer b.hasher.slots.mu.Unlock()
		return len(b.hasher.slots.queue[m.UUID])
	}
	until(t, "the flood", func() bool { return queued(b.box) == machineShare })
	var got answer
	wg.Go(func() { got = b.from(other, "seat", right) })
	until(t, "alice", func() bool { return queued(other) == 1 })
	b.hasher.slots.mu.Lock()
	order := slices.Clone(b.hasher.slots.order)
	b.hasher.slots.mu.Unlock()
	if !slices.Equal(order, []uuid.UUID{b.box.UUID, other.UUID}) {
		t.Errorf("the turns are %v", order)
	}
	hold()
	wg.Wait()
	if !got.allow {
		t.Error(got.outcome())
	}
}

// How many rows of the audit log a client gets a minute, see package realm.
const (
	mostDenials = 600
	mostStrays  = 10
)

// TestRefusalsFillNoAuditLog: all that a machine can have refused is counted together, and
// failures count for the locks whether they get a row or not.
// Promise audit-bounded.
func TestRefusalsFillNoAuditLog(t *testing.T) {
	b := newBench(t)
	other := b.machine("other")
	rows := func(machine string) (n int, last string) {
		b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
			return tx.Audit(0, time.Time{}, 100_000, func(e store.Entry) error {
				if e.Action == "auth.deny" && e.Actor == "machine "+machine {
					n, last = n+1, e.Detail
				}
				return nil
			})
		}))
		return n, last
	}
	const more = 20
	for i := range mostDenials + more {
		b.from(b.box, fmt.Sprintf("uid %d", i/4), "wrong")
	}
	b.from(other, "seat", "wrong")
	if n, _ := rows("box"); n != mostDenials {
		t.Errorf("%d rows, want %d", n, mostDenials)
	}
	if n, _ := rows("other"); n != 1 {
		t.Errorf("%d rows of the other machine", n)
	}
	for range 5 { // no row is left, and the seat is locked by nobody else's failures
		b.from(b.box, "seat", "wrong")
	}
	if n, _ := rows("box"); n != mostDenials || b.lockLeft(b.box, "seat") == 0 {
		t.Errorf("%d rows; failures without a row are not counted", n)
	}
	b.unix.Add(61)
	b.must(nil, b.Abandoned(t.Context()))
	if n, last := rows("box"); n != mostDenials+1 || !strings.Contains(last, "25 more times") {
		t.Errorf("%d rows, want %d; the last %q", n, mostDenials+1, last)
	}
}

// Promise attack-machine-work, audit-bounded, guess-server-work.
func TestStepsOfNoSessionFillNoAuditLog(t *testing.T) {
	b := newBench(t)
	other := b.machine("other")
	rows := func() (n int, last string) {
		b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
			return tx.Audit(0, time.Time{}, 100_000, func(e store.Entry) error {
				if e.Action == "auth.deny" {
					n, last = n+1, e.Detail
				}
				return nil
			})
		}))
		return n, last
	}
	for range 1000 {
		if got := b.answer(b.box, "bogus", identity.Password, "x"); got.allow || got.message != denial {
			t.Fatalf("%+v", got)
		}
	}
	b.answer(other, "bogus", identity.Password, "x")
	if n, _ := rows(); n != mostStrays+1 {
		t.Errorf("%d rows, want %d", n, mostStrays+1)
	}
	b.unix.Add(61)
	b.must(nil, b.Abandoned(t.Context()))
	if n, last := rows(); n != mostStrays+2 {
		t.Errorf("%d rows, want %d; the last %q", n, mostStrays+2, last)
	}
}
