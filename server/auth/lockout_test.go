package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

func TestTheSoftLockGrowsSurvivesARestartAndEndsWithSuccess(t *testing.T) {
	for _, name := range []identity.Name{"alice", "nobody-here"} {
		b := newBench(t)
		for i := range originBrake.From {
			if got := b.try(name, "wrong"); got.locked {
				t.Fatalf("%s: locked after %d", name, i)
			}
		}
		for _, want := range []int64{30, 60, 120, 240, 480, 900, 900} {
			b.reopen()
			b.unix.Add(want - 1)
			if got := b.try(name, right); got.allow || !got.locked {
				t.Fatalf("%s: not locked after %d s", name, want-1)
			}
			b.unix.Add(1)
			if got := b.try(name, "wrong"); got.locked {
				t.Fatalf("%s: still locked after %d s", name, want)
			}
		}
	}
	b := newBench(t)
	for range originBrake.From - 1 {
		b.try("alice", "wrong")
	}
	if !b.try("alice", right).allow || b.try("alice", "wrong").locked || b.try("alice", "x").locked || !b.try("alice", right).allow {
		t.Fatal("a success did not clear the count")
	}
}

func TestAClockSetBackDoesNotShortenALock(t *testing.T) {
	b := newBench(t)
	b.must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Clock(b.Now()); return err }))
	b.unix.Add(-3600)
	for range originBrake.From {
		b.try("alice", "wrong")
	}
	b.unix.Add(3600) // the clock is put right: no time has passed
	if got := b.try("alice", right); got.allow || !got.locked {
		t.Fatalf("%+v", got)
	}
}

func TestGuessesSentAtOnceCannotOutrunTheLock(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	var verified atomic.Int64
	var cookies []string
	for range 40 {
		cookies = append(cookies, b.start("alice"))
	}
	for _, cookie := range cookies {
		wg.Go(func() {
			a, err := b.step(context.Background(), machineAsClient(b.box), cookie, identity.Password, identity.NewSecret([]byte("wrong")), false)
			if err != nil {
				t.Error(err)
			}
			if !a.locked {
				verified.Add(1)
			}
		})
	}
	wg.Wait()
	if n := verified.Load(); n != int64(originBrake.From) {
		t.Fatalf("%d guesses were verified, want %d", n, originBrake.From)
	}
}

func TestARightPasswordBeforeAWrongCodeDoesNotClearTheCount(t *testing.T) {
	b := newBench(t)
	b.totp()
	for range originBrake.From {
		if got := b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, "12345"); got.allow || got.locked {
			t.Fatalf("%+v", got)
		}
	}
	if got := b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, b.code(0)); got.allow || !got.locked {
		t.Fatalf("%+v", got)
	}
}
