package proofs

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Which authentication let a session in, the processes tell:
//
//	credentials are established by            the authentication counts
//	the process that authenticated            once
//	its parent (sshd: the monitor)            once
//	a child of it                             once
//	a child of the process that took it so    once for each child
//	any other, or after two minutes           never
//
// Brothers share nothing else: one parent, sshd itself, has all sessions for children.
// Only a root peer's word counts for what process it is; the caller sees to that.

// sessionWait is how long a session may take to begin.
const sessionWait = 2 * time.Minute

// maxLogins of one account wait at a time; the oldest goes.
const maxLogins = 64

// instance is one process: numbers come again, with another start.
type instance struct {
	pid     uint32
	started uint64
}

func itself(p identity.Process) instance   { return instance{p.PID, p.Started} }
func parentOf(p identity.Process) instance { return instance{p.Parent, p.ParentStarted} }

// known is false for a process that could not be told: nothing is equal to it.
func (i instance) known() bool { return i.pid != 0 && i.started != 0 }

// Login is an authentication that was granted here, until its session begins.
type Login struct {
	Service string
	Process identity.Process // that authenticated
	At      time.Duration    // by CLOCK_BOOTTIME
	Factors []identity.Factor
}

// waiting is a Login that may be taken.
type waiting struct {
	Login
	// taken by the process that first established credentials with it, and by those
	// of its children that did.
	taken    instance
	children []instance
}

// Sessions are the logins whose session may still begin.
type Sessions struct {
	mu   sync.Mutex
	kept map[uuid.UUID][]*waiting
}

// Add remembers one. A process has one at a time for each account.
func (l *Sessions) Add(account uuid.UUID, e Login) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil {
		l.kept = make(map[uuid.UUID][]*waiting)
	}
	list := slices.DeleteFunc(l.kept[account], func(o *waiting) bool {
		return itself(o.Process) == itself(e.Process) || e.At-o.At > sessionWait
	})
	if len(list) >= maxLogins {
		list = list[1:]
	}
	l.kept[account] = append(list, &waiting{Login: e})
}

// Take finds what the process may establish credentials with, the newest first. What it
// finds counts as taken.
func (l *Sessions) Take(account uuid.UUID, service string, p identity.Process, now time.Duration) []identity.Factor {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.DeleteFunc(l.kept[account], func(o *waiting) bool { return now-o.At > sessionWait })
	if len(list) == 0 {
		delete(l.kept, account)
		return nil
	}
	l.kept[account] = list
	return l.newest(account, service, func(e *waiting) bool { return e.takenBy(p) })
}

// Of finds what this process was let in with, and leaves it to be taken.
func (l *Sessions) Of(account uuid.UUID, service string, p identity.Process) []identity.Factor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest(account, service, func(e *waiting) bool { return p.Known() && e.family(p) })
}

// newest is the last one of that service that is right. The caller holds the lock.
func (l *Sessions) newest(account uuid.UUID, service string, right func(*waiting) bool) []identity.Factor {
	for _, e := range slices.Backward(l.kept[account]) {
		if e.Service == service && right(e) {
			return e.Factors
		}
	}
	return nil
}

// Renew puts a new password in the place of the one that this process was let in with:
// its session has lost nothing by the change.
func (l *Sessions) Renew(account uuid.UUID, p identity.Process, old, now uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.kept[account] {
		if !p.Known() || itself(e.Process) != itself(p) {
			continue
		}
		e.Factors = slices.Clone(e.Factors)
		for i, f := range e.Factors {
			if f.Kind == identity.Password && f.Epoch == old {
				e.Factors[i].Epoch = now
			}
		}
	}
}

// family tells whether it is the process that authenticated, its parent, or a child of it.
func (e *waiting) family(p identity.Process) bool {
	by := itself(e.Process)
	return by == itself(p) || by == parentOf(p) || parentOf(e.Process) == itself(p)
}

// takenBy tells whether the process may take it, which it has then.
func (e *waiting) takenBy(p identity.Process) bool {
	who := itself(p)
	switch {
	case !who.known():
		return false
	case !e.taken.known():
		if !e.family(p) {
			return false
		}
		e.taken = who
		return true
	case parentOf(p) != e.taken || slices.Contains(e.children, who):
		return false
	}
	e.children = append(e.children, who)
	return true
}

func (l *Sessions) forget(account uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, account)
}

func (l *Sessions) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.kept)
}
