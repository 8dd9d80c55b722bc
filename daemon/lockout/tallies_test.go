package lockout

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
)

func TestOneAccountIsTriedByOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keyedLocks
		ada, bob := uuid.New(), uuid.New()
		first, err := k.Lock(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan func(), 1)
		go func() {
			if unlock, err := k.Lock(t.Context(), ada); err == nil {
				got <- unlock
			}
		}()
		gone, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := k.Lock(gone, ada); left <- err }()
		other, err := k.Lock(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(got)+len(left) != 0 {
			t.Fatal("two try one account at a time")
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		first()
		other()
		synctest.Wait()
		if len(got) != 1 {
			t.Fatal("the second does not get its turn")
		}
		(<-got)()
		if len(k.held) != 0 {
			t.Errorf("%d locks stay in memory", len(k.held))
		}
	})
}

// wall is the wall clock.
type wall struct{}

func (wall) Now() time.Time             { return time.Now() }
func (wall) Keep(context.Context) error { return nil }

// The seat of a machine is locked by what was guessed there, and by nothing else.
func TestWhatCountsAtAPlaceIsTheTableOfBrakes(t *testing.T) {
	c, err := cache.Open(t.Context(), filepath.Join(t.TempDir(), "cache.db"), cache.Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	d := New(c, wall{}, &policy.Policy{OfflineTries: 5}, slog.New(slog.DiscardHandler))
	id, host := uuid.New(), (&identity.Login{RemoteHost: "192.0.2.1"}).Origin()
	count := func(what string, kind string, from identity.Origin, want int) {
		t.Helper()
		list, err := d.brakesFor(t.Context(), id, kind, from)
		if err != nil || len(list) != want {
			t.Errorf("%s: %d rules, %v", what, len(list), err)
		}
	}
	count("a host without a sign-in", "password", host, 2)
	count("a PIN from there", PIN, host, 1)
	count("the seat", "password", identity.Seat(), 1)
	if err := c.SignedIn(t.Context(), id, host.String(), time.Now()); err != nil {
		t.Fatal(err)
	}
	count("a host with a sign-in", "password", host, 1)
	id = uuid.New() // nobody who was ever here
	count("the seat, without a sign-in", "password", identity.Seat(), 1)
}
