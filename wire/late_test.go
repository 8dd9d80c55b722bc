package wire_test

import (
	"context"
	"sync"
	"testing"

	"github.com/sallyport-auth/sallyport/wire"
)

// A request may be cancelled in the very moment in which its answer comes. The
// deadline that this sets must be gone before the next request begins.
func TestACancelThatRacesTheAnswerDoesNotEndTheNextReceive(t *testing.T) {
	c, raw := pair(t)
	working := []byte{wire.Version, byte(wire.Working), 0, 0}
	write := func() {
		t.Helper()
		if _, err := raw.Write(working); err != nil {
			t.Fatal(err)
		}
	}
	for range 5000 {
		ctx, cancel := context.WithCancel(context.Background())
		var racing sync.WaitGroup
		racing.Go(cancel)
		write()
		_, err := c.Receive(ctx)
		if err == nil {
			write()
		}
		// Whichever came first: exactly one message is there now.
		if m, err := c.Receive(context.Background()); err != nil || m.Type != wire.Working {
			t.Fatalf("received %v, %v", m, err)
		}
		racing.Wait()
	}
}
