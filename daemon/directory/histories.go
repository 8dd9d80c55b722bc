package directory

import (
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// A server that keeps histories begins one at each start, and one that was restored
// from an older backup does not know the histories that it lost. Revisions of two
// histories do not compare. What this machine does:
//
//	what comes                              what is held                 then
//	a stream of another history, no reset   of an earlier history        nothing was lost: it counts
//	a reset, nothing lost                   too old for the log          the list is read, and wins
//	a reset, changes lost                   of a lost history            it lets nobody in; the list
//	                                                                     is read, and wins
//	a token with a list                     whatever its revision        the token is taken
//	a token of the same history             of a higher revision         the token is ignored
//	a token of a history that this          any                          the token is ignored: it
//	machine has left                                                     came late
//	a token of a history never heard of     any                          the token is taken, and the
//	                                                                     stream is begun anew
//	one that a server that only reads       of a higher revision         the token is ignored: that
//	signed, of whatever history                                          server is behind
//	the same                                none, and the position is    the same: the account is gone
//	                                        of a later revision

// left are the histories that this machine has followed and left: what still comes of
// them is late. They are kept in memory, as what could come late is.
type left struct {
	mu   sync.Mutex
	list []uuid.UUID
}

const maxLeft = 64

func (l *left) has(h uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.list, h)
}

// moved notes that the machine goes on in another history.
func (l *left) moved(from, to uuid.UUID) {
	if from == to {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(h uuid.UUID) bool { return h == to || h == from })
	if from == uuid.Nil {
		return // nothing is known of where that was
	}
	if len(l.list) >= maxLeft {
		l.list = l.list[1:]
	}
	l.list = append(l.list, from)
}

// Listing is a list that is being read: what came by another way since it began may be
// newer than what it says.
type Listing struct {
	begun uint32
}

// BeginList opens the index for a list that wins: what groups are called is told anew.
func (x *Directory) BeginList() *Listing {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, g := range x.groups {
		g.revision = 0
	}
	x.listBegun = x.seq
	return &Listing{begun: x.seq}
}

// forgetGroups lets a token say anew what its groups are called, where it is of another
// history; the caller holds the lock.
func (x *Directory) forgetGroups(t *identity.IDToken) {
	for _, g := range t.Groups {
		if in := x.groups[g.UUID]; in != nil {
			in.revision = 0
		}
	}
}

// Since tells whether the entry came after the list began. The count wraps, so it is the
// difference that tells.
func (l *Listing) Since(p *Packed) bool { return int32(p.seq-l.begun) > 0 } //nolint:gosec // meant to wrap

// late tells why a token is passed over in favour of what is held; "" when it is not.
// The caller holds the lock; held may be nil.
func (x *Directory) late(t *identity.IDToken, held *Packed, in *Listing) string {
	if in == nil && x.left.has(t.History) {
		return "it is of a history that the server has left"
	}
	if held == nil || t.Revision >= held.revision || x.historyOf(held) != t.History && !t.OnlyReads {
		return ""
	}
	if in != nil && !in.Since(held) {
		return "" // the list wins: the server says now that there is less than it once said
	}
	return "a newer one is held"
}

// historyNumber is the number of a history in the index; the caller holds the lock.
func (x *Directory) historyNumber(h uuid.UUID) int {
	for i, o := range slices.Backward(x.histories) {
		if o == h {
			return i
		}
	}
	x.histories = append(x.histories, h)
	return len(x.histories) - 1
}

func (x *Directory) historyOf(p *Packed) uuid.UUID { return x.histories[p.history()] }

// Disown marks all that is held: the server has said that it lost changes.
func (x *Directory) Disown() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.disownedTo, x.disowned = x.seq, true
	x.dirty.visible, x.dirty.lost = true, true
}

// EndDisown ends that: the list was taken.
func (x *Directory) EndDisown() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.disowned = false
}

// IsDisowned tells whether the entry is of what the server has lost.
func (x *Directory) IsDisowned(e *Entry) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.disowned && int32(e.seq-x.disownedTo) <= 0 //nolint:gosec // meant to wrap
}

// Moved notes that the machine goes on in another history: what still comes of the one
// that it left is late.
func (x *Directory) Moved(from, to uuid.UUID) { x.left.moved(from, to) }
