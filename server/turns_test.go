package server

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/store"
)

// waiting asks for a place in the background, and counts those who have got one.
func waiting(t *testing.T, got *atomic.Int32, take func(context.Context) (func(), error)) (giveUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done, err := take(ctx)
		if err == nil {
			got.Add(1)
			<-ctx.Done()
			done()
		} else if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return func() { cancel(); synctest.Wait() }
}

func TestWhoGivesUpWaitingTakesNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFair[string](1, 3)
		of := func(key string) func(context.Context) (func(), error) {
			return func(ctx context.Context) (func(), error) { return f.take(ctx, key) }
		}
		var got atomic.Int32
		first := waiting(t, &got, of("a"))
		leaves := waiting(t, &got, of("a"))
		second := waiting(t, &got, of("a"))
		other := waiting(t, &got, of("b"))
		leaves()
		if n := got.Load(); n != 1 {
			t.Fatalf("%d have the one place", n)
		}
		first()
		if n := got.Load(); n != 2 {
			t.Fatalf("%d were served, want the second of two", n)
		}
		second()
		if n := got.Load(); n != 3 {
			t.Fatalf("%d were served, want all three", n)
		}
		other()
		if f.free != 1 || len(f.queue)+len(f.order) != 0 {
			t.Errorf("left over: %+v", f)
		}
		if !f.leave("a", make(chan struct{})) {
			t.Error("who was called at the same moment keeps the place for ever")
		}
	})
}

func TestOneNameIsWorkedOnInOnePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFairs[string, string](1, 1)
		of := func(key string) func(context.Context) (func(), error) {
			return func(ctx context.Context) (func(), error) { return f.take(ctx, "ada", key) }
		}
		var got atomic.Int32
		first := waiting(t, &got, of("a"))
		leaves := waiting(t, &got, of("b"))
		if _, err := f.take(t.Context(), "ada", "b"); !errors.Is(err, errTooMany) {
			t.Errorf("a second of one key: %v", err)
		}
		leaves()
		next := waiting(t, &got, of("c"))
		if n := got.Load(); n != 1 {
			t.Fatalf("%d work on one name at a time", n)
		}
		first()
		if n := got.Load(); n != 2 {
			t.Fatalf("%d were served", n)
		}
		next()
		if len(f.m) != 0 {
			t.Errorf("kept in memory: %v", f.m)
		}
	})
}

func TestRowsOfRefusalsAreCountedByTheMinute(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b, m := newRowBudget(), store.Machine{UUID: uuid.New(), Name: "box"}
	rows := func(n int) (written int) {
		for range n {
			if b.note(m, rowStray, now) {
				written++
			}
		}
		return written
	}
	if n := rows(strayRows + 3); n != strayRows {
		t.Errorf("%d rows in the first minute", n)
	}
	now = now.Add(rowsEvery - time.Second)
	if told := b.drain(now); len(told) != 0 || rows(1) != 0 {
		t.Errorf("the minute ended early: %v", told)
	}
	now = now.Add(time.Second)
	if told := b.drain(now); len(told) != 1 || told[0].more != 4 || told[0].machine.Name != "box" {
		t.Errorf("the rest of the minute: %v", told)
	}
	if n := rows(2); n != 2 {
		t.Errorf("%d rows in the next minute", n)
	}
	// A clock that was set back ends the minute, or nothing would be written until then.
	now = now.Add(-24 * time.Hour)
	if told := b.drain(now); len(told) != 0 || len(b.m) != 0 {
		t.Errorf("nothing was left out, and this is told: %v, %v", told, b.m)
	}
}

func TestATokenIsHandedOutAgainOnlyAsItWasSigned(t *testing.T) {
	c, now := newTokenCache(), time.Unix(1_800_000_000, 0)
	of := tokenFor{uuid.New(), uuid.New()}
	c.put(of, cachedToken{revision: 7, key: "k1", made: now, signed: []byte("signed")})
	for what, q := range map[string]struct {
		of       tokenFor
		revision uint64
		key      string
		at       time.Time
		want     bool
	}{
		"as it was":                    {of, 7, "k1", now.Add(tokenLife - time.Second), true},
		"after a change":               {of, 8, "k1", now, false},
		"after a change that was lost": {of, 6, "k1", now, false},
		"another key signs":            {of, 7, "k2", now, false},
		"it is old":                    {of, 7, "k1", now.Add(tokenLife), false},
		"the clock was set back":       {of, 7, "k1", now.Add(-time.Second), false},
		"another account":              {tokenFor{uuid.New(), of.history}, 7, "k1", now, false},
		"another history":              {tokenFor{of.account, uuid.New()}, 7, "k1", now, false},
		"nobody, and nothing":          {tokenFor{}, 0, "", time.Time{}, false},
	} {
		if _, ok := c.get(q.of, q.revision, q.key, q.at); ok != q.want {
			t.Errorf("%s: %t", what, ok)
		}
	}
}
