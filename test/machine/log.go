package machine

import (
	"context"
	"fmt"
	"sync"
)

// Log keeps what a program prints and wakes those who wait for it.
type Log struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{} // closed and replaced at every change
	ended   bool
}

func newLog() *Log { return &Log{changed: make(chan struct{})} }

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(b), nil
}

func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	close(l.changed)
	l.changed = make(chan struct{})
}

// String is everything so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// Len is how many bytes there are so far: a mark for WaitFrom.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.text)
}

// Wait waits until s has been printed.
func (l *Log) Wait(ctx context.Context, s string) error {
	_, err := l.WaitFrom(ctx, 0, s)
	return err
}

// WaitFrom waits until one of texts has been printed after mark, and returns
// where the one that comes first ends.
func (l *Log) WaitFrom(ctx context.Context, mark int, texts ...string) (int, error) {
	for {
		l.mu.Lock()
		text, changed, ended := l.text[min(mark, len(l.text)):], l.changed, l.ended
		if _, end := first(text, texts); end > 0 {
			l.mu.Unlock()
			return mark + end, nil
		}
		l.mu.Unlock()
		if ended {
			return 0, fmt.Errorf("%w while waiting for %q; it printed:\n%s", errEnded, texts, text)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for %q: %w; there is:\n%s", texts, ctx.Err(), text)
		}
	}
}
