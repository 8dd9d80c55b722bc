package realm

import "sync"

// notifier wakes any number of waiters at once. It carries nothing: whoever wakes
// reads what changed from the database at its own pace, so no listener, however
// slow, makes anything queue up or wait.
type notifier struct {
	mu sync.Mutex
	c  chan struct{}
}

func newNotifier() *notifier { return &notifier{c: make(chan struct{})} }

// next is closed by the next notify. Take it before reading what to wait for.
func (b *notifier) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.c
}

func (b *notifier) Notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.c)
	b.c = make(chan struct{})
}
