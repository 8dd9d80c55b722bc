package auth

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/sallyport-auth/sallyport/server/realm"
)

// fair lets a number of holders work at a time. Those who wait are served by turns of
// their keys: one who sends many waits behind their own, and not others behind them.
type fair[K comparable] struct {
	mu    sync.Mutex
	free  int
	limit int // of those who wait with the same key
	queue map[K][]chan struct{}
	order []K // keys with somebody waiting; the first is next
}

func newFair[K comparable](places, limit int) *fair[K] {
	return &fair[K]{free: places, limit: limit, queue: make(map[K][]chan struct{})}
}

// take waits for a place; the function that it returns gives it back. Its error is
// errTooMany when too many of that key wait already, or the context's.
func (f *fair[K]) take(ctx context.Context, key K) (func(), error) {
	f.mu.Lock()
	if f.free > 0 {
		f.free--
		f.mu.Unlock()
		return f.give, nil
	}
	if len(f.queue[key]) >= f.limit {
		f.mu.Unlock()
		return nil, realm.ErrTooMany
	}
	mine := make(chan struct{})
	if len(f.queue[key]) == 0 {
		f.order = append(f.order, key)
	}
	f.queue[key] = append(f.queue[key], mine)
	f.mu.Unlock()
	select {
	case <-mine:
		return f.give, nil
	case <-ctx.Done():
		if f.leave(key, mine) {
			f.give() // it came at the same moment
		}
		return nil, fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
}

// try is take where nobody has to wait for it.
func (f *fair[K]) try() (func(), bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free == 0 {
		return nil, false
	}
	f.free--
	return f.give, true
}

// give hands the place to the next who waits.
func (f *fair[K]) give() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) == 0 {
		f.free++
		return
	}
	key := f.order[0]
	f.order = f.order[1:]
	next := f.queue[key][0]
	if f.queue[key] = f.queue[key][1:]; len(f.queue[key]) > 0 {
		f.order = append(f.order, key)
	} else {
		delete(f.queue, key)
	}
	close(next)
}

// leave takes one out of the queue, and tells whether a place was given already.
func (f *fair[K]) leave(key K, mine chan struct{}) (given bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.Index(f.queue[key], mine)
	if at < 0 {
		return true
	}
	if f.queue[key] = slices.Delete(f.queue[key], at, at+1); len(f.queue[key]) == 0 {
		delete(f.queue, key)
		f.order = slices.DeleteFunc(f.order, func(k K) bool { return k == key })
	}
	return false
}

// fairs is one fair for each name or machine that has anybody in it.
type fairs[N, K comparable] struct {
	places, limit int

	mu sync.Mutex
	m  map[N]*used[K]
}

type used[K comparable] struct {
	*fair[K]
	by int
}

func newFairs[N, K comparable](places, limit int) *fairs[N, K] {
	return &fairs[N, K]{places: places, limit: limit, m: make(map[N]*used[K])}
}

func (f *fairs[N, K]) take(ctx context.Context, name N, key K) (func(), error) {
	u, leave := f.enter(name)
	give, err := u.take(ctx, key)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { give(); leave() }, nil
}

// try is take where nobody has to wait for it.
func (f *fairs[N, K]) try(name N) (func(), bool) {
	u, leave := f.enter(name)
	give, ok := u.try()
	if !ok {
		leave()
		return nil, false
	}
	return func() { give(); leave() }, true
}

// enter counts one more who uses a name's, until leave.
func (f *fairs[N, K]) enter(name N) (u *used[K], leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.m[name]
	if !ok {
		u = &used[K]{fair: newFair[K](f.places, f.limit)}
		f.m[name] = u
	}
	u.by++
	return u, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if u.by--; u.by == 0 {
			delete(f.m, name)
		}
	}
}
