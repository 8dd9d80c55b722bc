package realm

import "sync"

// Notifier wakes any number of waiters at once. It carries nothing: whoever wakes
// reads what changed from the database at its own pace, so no listener, however
// slow, makes anything queue up or wait.
type Notifier struct {
	mu sync.Mutex
	c  chan struct{}
}

func newNotifier() *Notifier { return &Notifier{c: make(chan struct{})} }

// Next is closed by the next notify. Take it before reading what to wait for.
func (b *Notifier) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.c
}

// Notify wakes all who wait.
func (b *Notifier) Notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.c)
	b.c = make(chan struct{})
}
