package daemon

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// A group that must be earned is told to nobody as a membership: a session gets its
// gid when it establishes credentials, if the authentication that let it in was as
// strong as the group demands. Which authentication that was, the processes tell:
//
//	credentials are established by            the authentication counts
//	the process that authenticated            once
//	its parent (sshd: the monitor)            once
//	a child of it                             once
//	a child of the process that took it so    once for each child
//	any other, or after two minutes           never
//
// Brothers share nothing else: one parent, sshd itself, has all sessions for
// children. Only a root peer's word counts for what process it is.

// earnFor is how long a session may take to begin.
const earnFor = 2 * time.Minute

// maxEarnings of one account wait at a time; the oldest goes.
const maxEarnings = 64

// instance is one process: numbers come again, with another start.
type instance struct {
	pid     uint32
	started uint64
}

func itself(p identity.Process) instance   { return instance{p.PID, p.Started} }
func parentOf(p identity.Process) instance { return instance{p.Parent, p.ParentStarted} }

// known is false for a process that could not be told: nothing is equal to it.
func (i instance) known() bool { return i.pid != 0 && i.started != 0 }

// earning is an authentication that was granted here, until its session began.
type earning struct {
	service string
	by      instance
	parent  instance
	at      time.Duration // by CLOCK_BOOTTIME
	factors []identity.Factor
	// taken by the process that first established credentials with it, and by those
	// of its children that did.
	taken    instance
	children []instance
}

// earnings are kept in memory alone. The zero value is empty.
type earnings struct {
	mu   sync.Mutex
	kept map[uuid.UUID][]*earning
}

// add remembers one. A process has one at a time for each account.
func (l *earnings) add(account uuid.UUID, e earning) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil {
		l.kept = make(map[uuid.UUID][]*earning)
	}
	list := slices.DeleteFunc(l.kept[account], func(o *earning) bool { return o.by == e.by || e.at-o.at > earnFor })
	if len(list) >= maxEarnings {
		list = list[1:]
	}
	l.kept[account] = append(list, &e)
}

// take finds what the process may establish credentials with, the newest first.
func (l *earnings) take(account uuid.UUID, service string, p identity.Process, now time.Duration) []identity.Factor {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.DeleteFunc(l.kept[account], func(o *earning) bool { return now-o.at > earnFor })
	if len(list) == 0 {
		delete(l.kept, account)
		return nil
	}
	l.kept[account] = list
	for _, e := range slices.Backward(list) {
		if e.service == service && e.takenBy(itself(p), parentOf(p)) {
			return e.factors
		}
	}
	return nil
}

// of finds what this process was let in with, and leaves it to be taken.
func (l *earnings) of(account uuid.UUID, service string, p identity.Process) []identity.Factor {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.kept[account]) {
		if e.service == service && p.Known() && (e.by == itself(p) || e.by == parentOf(p) || e.parent == itself(p)) {
			return e.factors
		}
	}
	return nil
}

// renew puts a new password in the place of the one that this process was let in with:
// its session has lost nothing by the change.
func (l *earnings) renew(account uuid.UUID, p identity.Process, old, now uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.kept[account] {
		if !p.Known() || e.by != itself(p) {
			continue
		}
		e.factors = slices.Clone(e.factors)
		for i, f := range e.factors {
			if f.Kind == identity.Password && f.Epoch == old {
				e.factors[i].Epoch = now
			}
		}
	}
}

func (e *earning) takenBy(who, parent instance) bool {
	switch {
	case !who.known():
		return false
	case !e.taken.known():
		if who != e.by && who != e.parent && parent != e.by {
			return false
		}
		e.taken = who
		return true
	case parent != e.taken || slices.Contains(e.children, who):
		return false
	}
	e.children = append(e.children, who)
	return true
}

func (l *earnings) forget(account uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, account)
}

func (l *earnings) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.kept)
}

// earn remembers what was granted, for the session that is to follow.
func (s *login) earn() {
	if s.Peer.UID != 0 || !s.Process.Known() || len(s.proved) == 0 {
		return
	}
	s.d.earnings.add(s.q.e.Account().UUID, earning{
		service: s.Service, by: itself(s.Process), parent: parentOf(s.Process), at: s.d.Clock().Boottime(), factors: s.proved,
	})
}

// earned are the gids that this session gets.
func (s *login) earned() []uint32 {
	if s.Operation != identity.OpSetCredentials || s.Peer.UID != 0 {
		return nil
	}
	factors := s.d.earnings.take(s.q.e.Account().UUID, s.Service, s.Process, s.d.Clock().Boottime())
	if s.d.Directory().IsDisowned(s.q.e) || len(factors) == 0 || slices.ContainsFunc(factors, func(f identity.Factor) bool { return !s.q.e.Holds(f) }) {
		return nil
	}
	var gids []uint32
	for _, g := range s.d.mustEarn(s.q.e) {
		if g.Demand().Met(s.q.e.Points(), identity.Kinds(factors)) {
			gids = append(gids, g.GID)
		}
	}
	slices.Sort(gids)
	return gids
}

// mustEarn lists the account's groups that a session must earn, and that are served
// here at all: one that this machine has itself, or refuses, is nobody's.
func (d *Gate) mustEarn(e *directory.Entry) []identity.Group {
	l, err := d.Files().Now()
	if err != nil {
		return nil
	}
	var list []identity.Group
	for _, g := range d.Directory().GroupsOf(e) {
		if g.Earned && g.Problem() == "" && !l.HidesGroup(g.Group) {
			list = append(list, g.Group)
		}
	}
	return list
}
