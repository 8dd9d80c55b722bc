package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// The soft lock.
const (
	lockAfter = 5
	lockFirst = 30 * time.Second
	lockMost  = 15 * time.Minute
)

// fail is what one more failure makes of f.
func fail(f store.Failures, now time.Time) store.Failures {
	f.Count++
	if f.Count >= lockAfter {
		d := lockMost
		if n := f.Count - lockAfter; n < 5 { // 30 s << 5 is above the most
			d = min(lockFirst<<n, lockMost)
		}
		f.LockedUntil = now.Add(d)
	}
	return f
}

// turns lets one step at a time work on a name, so that guesses sent at once are
// counted one after the other and cannot outrun the soft lock.
type turns struct {
	mu sync.Mutex
	m  map[identity.Name]*turn
}

type turn struct {
	slot    chan struct{}
	waiting int
}

func newTurns() *turns { return &turns{m: make(map[identity.Name]*turn)} }

// take waits for the name's turn; the function that it returns ends it.
func (t *turns) take(ctx context.Context, name identity.Name) (func(), error) {
	t.mu.Lock()
	w, ok := t.m[name]
	if !ok {
		w = &turn{slot: make(chan struct{}, 1)}
		t.m[name] = w
	}
	w.waiting++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if w.waiting--; w.waiting == 0 {
			delete(t.m, name)
		}
	}
	select {
	case w.slot <- struct{}{}:
		return func() { <-w.slot; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for another attempt as %s: %w", name, ctx.Err())
	}
}
