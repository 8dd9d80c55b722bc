package server

import "sync"

// bell wakes any number of waiters at once. It carries nothing: whoever wakes
// reads what changed from the database at its own pace, so no listener, however
// slow, makes anything queue up or wait.
type bell struct {
	mu sync.Mutex
	c  chan struct{}
}

func newBell() *bell { return &bell{c: make(chan struct{})} }

// next is closed by the next ring. Take it before reading what to wait for.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.c
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.c)
	b.c = make(chan struct{})
}
