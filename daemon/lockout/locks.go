package lockout

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
)

// keyedLocks gives each key a lock that a context can stop waiting for.
type keyedLocks struct {
	mu   sync.Mutex
	held map[uuid.UUID]*keyedLock
}

type keyedLock struct {
	token chan struct{}
	users int
}

// Lock waits for the lock of one account.
func (k *keyedLocks) Lock(ctx context.Context, id uuid.UUID) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = make(map[uuid.UUID]*keyedLock)
	}
	l := k.held[id]
	if l == nil {
		l = &keyedLock{token: make(chan struct{}, 1)}
		k.held[id] = l
	}
	l.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.held, id)
		}
	}
	select {
	case l.token <- struct{}{}:
		return func() { <-l.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for another attempt: %w", ctx.Err())
	}
}
