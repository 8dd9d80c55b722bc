package verification

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity/verify"
)

// hold is how long a call that a card began lies in memory at most.
const hold = 10 * time.Minute

// heldID is what such a call is bound to: the account and its key, the other and theirs, and
// what the call is about.
type heldID struct {
	account              uuid.UUID
	realm                string
	id                   uuid.UUID
	own, theirs, subject string
}

func (d *Desk) heldID(account uuid.UUID, k cache.VerifyKey, c cache.VerifyContact, subject string) heldID {
	return heldID{account, c.Realm, c.ID, string(k.Public), string(c.Public), subject}
}

// heldCall is one. until is by the wall clock, which goes on while a machine sleeps.
type heldCall struct {
	verify.Call
	until time.Time
	timer *time.Timer
}

// held are the calls that cards began, in memory alone. What ends is wiped.
type held struct {
	mu    sync.Mutex
	calls map[heldID]*heldCall
}

// put holds a call, in place of the one before.
func (h *held) put(id heldID, call verify.Call) {
	c := &heldCall{Call: call, until: time.Now().Round(0).Add(hold)}
	h.end(func(i heldID) bool { return i == id })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls == nil {
		h.calls = map[heldID]*heldCall{}
	}
	h.calls[id] = c
	c.timer = time.AfterFunc(hold, func() { h.drop(id, c) })
}

// get is a copy, whose end is for the caller to see to.
func (h *held) get(id heldID) (verify.Call, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.calls[id]
	if !ok || !time.Now().Before(c.until) {
		return verify.Call{}, false
	}
	return c.Copy(), true
}

// end ends those that ends says, and with nil all.
func (h *held) end(ends func(heldID) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, c := range h.calls {
		if ends == nil || ends(id) {
			c.timer.Stop()
			c.End()
			delete(h.calls, id)
		}
	}
}

// drop ends a call, if it is still that one.
func (h *held) drop(id heldID, c *heldCall) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls[id] == c {
		c.End()
		delete(h.calls, id)
	}
}
