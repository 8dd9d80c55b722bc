package daemon

import (
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
func (f *following) grow(n stirred, now time.Time) {
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

func (f *following) stand(s identity.DirectoryStanding) {
	f.mu.Lock()
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

func (f *following) revisions() (identity.Revisions, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rev, f.grownAt
}

// Revisions tells how often the directory changed. Read them before the view
// that is to be published: it is then at least as new.
func (d *Daemon) Revisions() identity.Revisions {
	rev, _ := d.following.revisions()
	return rev
}

// Changed is sent to whenever a revision grew. It is for one follower; what it
// missed is one send.
func (d *Daemon) Changed() <-chan struct{} { return d.following.changed }

// announce counts what changes of the index have stirred up since the last time.
func (d *Daemon) announce() { d.following.grow(d.index.settle(), d.o.Now()) }

// DirectoryStanding tells how far the view may be trusted. An absent name is an
// answer while the list is complete and we have heard of the server since the
// start, be it that it cannot be reached.
func (d *Daemon) DirectoryStanding() identity.DirectoryStanding {
	s := identity.DirectoryStanding{Until: d.keptUntil(d.lastContact())}
	s.Absent = d.kept.Load().Complete && !d.holdBack.Load() && d.link.now() != starting && d.clock.now().Before(s.Until)
	return s
}

// restand counts a changed standing.
func (d *Daemon) restand() { d.following.stand(d.DirectoryStanding()) }

// lastContact is when the directory was last known to be the server's.
func (d *Daemon) lastContact() time.Time {
	at := d.kept.Load().At
	if t := time.Unix(0, d.contactAt.Load()); t.After(at) {
		at = t
	}
	return at
}

// keptUntil is until when a name that was right at that time is answered.
func (d *Daemon) keptUntil(checked time.Time) time.Time {
	if d.p.KeepNames <= 0 {
		return identity.Forever()
	}
	return time.Unix(checked.Unix(), 0).Add(d.p.KeepNames)
}

// lapsed tells whether what was last right at that time is no longer answered
// from memory.
func (d *Daemon) lapsed(checked time.Time) bool {
	if d.p.KeepNames <= 0 || (d.link.watches && d.link.now() == online) {
		return false
	}
	return !d.clock.now().Before(d.keptUntil(checked))
}
