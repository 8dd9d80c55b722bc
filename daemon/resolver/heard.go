package resolver

import (
	"sync"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// heard is how far this machine has heard of the realm's changes, whether that could be
// stored or not. A server that has not heard as much is behind: its list would put out who is
// new, and let in again who was removed. The provider takes none of it.
//
//	what comes                                  the position is then
//	the cache, at the start                     that of the cache
//	a change, or a stream that has caught up    the later of both; a stream's in another history
//	a token with a login or a lookup            the later of both, within the history
//	a reset, changes lost                       the beginning of the history that is named
//	a whole list                                the list's
//	everything is forgotten                     none
type heard struct {
	mu sync.Mutex
	at provider.Position
	to provider.Follower // nil: nobody is told
}

// set is for what counts whatever was heard before.
func (h *heard) set(at provider.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.become(at)
}

// stream is for the position of an event.
func (h *heard) stream(at provider.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at.History != h.at.History || at.Revision > h.at.Revision {
		h.become(at)
	}
}

// token is for one that came by itself: it may be of an earlier history.
func (h *heard) token(t *identity.IDToken) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.History != uuid.Nil && t.History == h.at.History && t.Revision > h.at.Revision {
		h.become(provider.Position{History: t.History, Revision: t.Revision})
	}
}

// become tells the provider; the caller holds the lock.
func (h *heard) become(at provider.Position) {
	if h.at = at; h.to != nil {
		h.to.Heard(at)
	}
}
