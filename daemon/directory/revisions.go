package directory

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// following counts what happened to the directory, for the one who publishes it.
type following struct {
	changed chan struct{}

	mu       sync.Mutex
	rev      identity.Revisions
	standing identity.DirectoryStanding
	grownAt  time.Time // when Content last grew
}

func newFollowing() *following { return &following{changed: make(chan struct{}, 1)} }

// grow counts one step of news; it wakes the follower when there is any.
func (f *following) grow(n change, now time.Time) {
	if !n.visible && !n.lost {
		return
	}
	f.mu.Lock()
	f.rev.Content++
	f.grownAt = now
	if n.lost {
		f.rev.Urgent++
	}
	f.mu.Unlock()
	f.wake()
}

// stand counts a standing that differs from the last. It is asked for under the
// lock, so that of two at once the later is the one that is kept.
func (f *following) stand(now func() identity.DirectoryStanding) {
	f.mu.Lock()
	s := now()
	same := s == f.standing
	if !same {
		f.standing = s
		f.rev.Standing++
	}
	f.mu.Unlock()
	if !same {
		f.wake()
	}
}

func (f *following) wake() {
	select {
	case f.changed <- struct{}{}:
	default: // one is waiting to be read
	}
}

func (f *following) read() (identity.Revisions, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rev, f.grownAt
}

// Revisions tells how often the directory changed, and when its content last did.
func (x *Directory) Revisions() (identity.Revisions, time.Time) { return x.follow.read() }

// Changed is sent to whenever a revision grew. It is for one follower; what it missed is
// one send.
func (x *Directory) Changed() <-chan struct{} { return x.follow.changed }

// Announce counts what changed in the eyes of programs since the last time.
func (x *Directory) Announce(now time.Time) { x.follow.grow(x.takeDirty(), now) }

// Stand counts a standing that differs from the last.
func (x *Directory) Stand(now func() identity.DirectoryStanding) { x.follow.stand(now) }

// LocalChanged counts what differs in the local files from when it was last called.
func (x *Directory) LocalChanged(l Local, now time.Time) {
	was := x.seen.Swap(&l)
	if was == nil || l.equal(*was) {
		return
	}
	s := change{visible: true, lost: x.meets(l, *was)}
	before, after := x.localGroups(*was), x.localGroups(l)
	s.lost = s.lost || !maps.EqualFunc(before, after, func(a, b []uint32) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	x.follow.grow(s, now)
}

func (l Local) equal(o Local) bool {
	return l.accounts.equal(o.accounts) && l.groups.equal(o.groups) &&
		slices.Equal(l.subuids, o.subuids) && slices.Equal(l.subgids, o.subgids)
}

func (n *names) equal(o *names) bool {
	return maps.Equal(n.byName, o.byName) && maps.Equal(n.byID, o.byID) && maps.Equal(n.idOf, o.idOf)
}

// meets tells whether a name or a number that became local is one that we serve.
func (x *Directory) meets(is, was Local) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.meetsSubs(is, was) {
		return true
	}
	for name := range is.accounts.byName {
		if !was.accounts.byName[name] && x.atName(identity.Name(name)) != nil {
			return true
		}
	}
	for id := range is.accounts.byID {
		if !was.accounts.byID[id] && x.atUID(id) != nil {
			return true
		}
	}
	for name := range is.groups.byName {
		own := x.atName(identity.Name(name))
		if !was.groups.byName[name] && (x.groupName[identity.Name(name)] != nil || own != nil) {
			return true
		}
	}
	for id := range is.groups.byID {
		if !was.groups.byID[id] && (x.groupGID[id] != nil || x.atUID(id) != nil) {
			return true
		}
	}
	return false
}

// meetsSubs tells whether a range that became subordinate has an id that we serve. The
// caller holds the lock.
func (x *Directory) meetsSubs(is, was Local) bool {
	if slices.Equal(is.subuids, was.subuids) && slices.Equal(is.subgids, was.subgids) {
		return false
	}
	for _, p := range x.gather() {
		if is.subuids.has(p.uid) && !was.subuids.has(p.uid) || is.subgids.has(p.gid) && !was.subgids.has(p.gid) {
			return true
		}
	}
	for gid := range x.groupGID {
		if is.subgids.has(gid) && !was.subgids.has(gid) {
			return true
		}
	}
	return false
}
