package auth

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sallyport-auth/sallyport/server/realm"
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
		if _, err := f.take(t.Context(), "ada", "b"); !errors.Is(err, realm.ErrTooMany) {
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
