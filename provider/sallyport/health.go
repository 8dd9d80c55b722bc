package sallyport

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// condition is how a server is, as far as the last requests tell.
type condition uint8

// The conditions. The table is in the package doc.
const (
	up     condition = iota // nothing speaks against it
	trying                  // it was down, and one request is finding out
	down
)

// String is the word in status.
func (c condition) String() string { return [...]string{"up", "trying", "down"}[c] }

// happening is what may change it.
type happening uint8

const (
	claimed  happening = iota // a request goes there because its wait is over
	answered                  // it gave an answer that counts, also a no
	failed                    // no answer, or one that does not count
	unclear                   // whoever asked went away before the answer
)

// next is the table in the package doc.
func (c condition) next(h happening) condition {
	switch h {
	case claimed:
		if c == down {
			return trying
		}
	case answered:
		return up
	case failed:
		return down
	case unclear:
		if c == trying {
			return down
		}
	}
	return c
}

// A server that is down is left alone for so long, doubled with each failure, of which a
// random half is taken off: a thousand machines do not return as one.
const (
	waitMin = time.Second
	waitMax = 30 * time.Second
)

// jittered is between half of d and d.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) } //nolint:gosec // no secret

// health is the condition of one server and its history. It is safe for concurrent use.
type health struct {
	now    func() time.Time
	jitter func(time.Duration) time.Duration

	mu    sync.Mutex
	is    condition
	since time.Time // zero: nobody has asked it yet
	why   error     // of being down
	wait  time.Duration
	due   time.Time // when a server that is down is tried again
}

// claim tells whether a request may go there first. Of those that find the wait over, one
// alone may.
func (h *health) claim() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.is == up:
		return true
	case h.is == down && !h.now().Before(h.due):
		h.is = h.is.next(claimed)
		return true
	}
	return false
}

// note applies what came of a request, and tells whether the server came up or went down.
func (h *health) note(what happening, why error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.is
	h.is = was.next(what)
	now := h.now()
	switch what {
	case answered:
		changed = was != up
		h.why, h.wait = nil, 0
		if changed || h.since.IsZero() {
			h.since = now
		}
	case failed:
		if h.why = why; why == nil {
			h.why = errors.New("it gave no answer")
		}
		if was == down {
			break // asked because nothing else was left: its wait stays as it is
		}
		if changed = was == up; changed {
			h.since = now
		}
		h.wait = min(max(2*h.wait, waitMin), waitMax)
		h.due = now.Add(h.jitter(h.wait))
	case unclear:
		if was == trying {
			h.due = now // the next request finds out
		}
	case claimed: // claim does it
	}
	return changed
}

// healthView is a copy for status.
type healthView struct {
	is    condition
	since time.Time
	why   error
}

func (h *health) view() healthView {
	h.mu.Lock()
	defer h.mu.Unlock()
	return healthView{h.is, h.since, h.why}
}
