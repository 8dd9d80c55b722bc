package resolver

import (
	"errors"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// State says how we stand with the server. The table is in the package doc.
type State uint8

const (
	starting State = iota
	Online
	Offline
)

// String is the word in status.
func (s State) String() string { return [...]string{"starting", "online", "offline"}[s] }

// Event is what may move it.
type Event uint8

const (
	Answered Event = iota // a call was answered
	CaughtUp              // the change stream has sent all that we missed
	Alive                 // a stream that had caught up is still there
	Failed                // a call got no answer that counts
	Broken                // the change stream ended
)

// next is the state table. Watches says whether the provider has a change stream.
func (s State) next(e Event, watches bool) State {
	switch {
	case e == Failed || e == Broken:
		return Offline
	case e == CaughtUp || e == Alive:
		return Online
	case e == Answered && !watches:
		return Online
	default:
		return s
	}
}

// Link is the connection's state and its history for status.
type Link struct {
	watches bool
	wall    func() time.Time

	mu        sync.Mutex
	state     State
	since     time.Time
	lastErr   string
	alarm     string // and what to do about it
	mend      string
	refusedBy string
	// cause is what the last failure came from, in the words of package trouble; its
	// Cause is empty where that is not known.
	cause    report.Finding
	source   string    // the provider's name
	failedAt time.Time // on the monotonic clock: when a call last failed
}

func newLink(watches bool, since time.Time, wall func() time.Time) *Link {
	return &Link{watches: watches, since: since, wall: wall}
}

// note applies an event. It returns the states before and after.
func (l *Link) note(e Event, err error) (before, after State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.state
	l.state = l.state.next(e, l.watches)
	if l.state != before {
		l.since = l.wall()
	}
	switch e {
	case Failed, Broken:
		if e == Failed { // a stream that ends is normal when a server starts anew
			l.failedAt = time.Now()
		}
		if err != nil {
			l.lastErr = err.Error()
			l.cause, _ = provider.Trouble(err, l.source)
		}
		if errors.Is(err, provider.ErrUntrusted) {
			l.alarm, l.mend = alarmed(err)
		}
		if errors.Is(err, provider.ErrRefusedMachine) {
			l.refusedBy = err.Error()
		}
	default:
		l.failedAt, l.lastErr, l.alarm, l.mend, l.refusedBy = time.Time{}, "", "", "", ""
		l.cause = report.Finding{}
	}
	return before, l.state
}

// Watches tells whether the provider has a change stream.
func (l *Link) Watches() bool { return l.watches }

// JustFailed tells whether a call failed so recently that the next would only cost time.
func (l *Link) JustFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.failedAt.IsZero() && time.Since(l.failedAt) < 2*time.Second
}

// Now is the present state.
func (l *Link) Now() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// LinkView is a copy for status.
type LinkView struct {
	State                           State
	Since                           time.Time
	LastErr, Alarm, Mend, RefusedBy string
	Cause                           report.Finding
}

// View is a copy of all of it.
func (l *Link) View() LinkView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LinkView{l.state, l.since, l.lastErr, l.alarm, l.mend, l.refusedBy, l.cause}
}

// alarmed is what a person is told of a server that could not prove who it is: the
// provider's own words, where it knows more than that.
func alarmed(err error) (what, mend string) {
	var d *provider.DoubtError
	if errors.As(err, &d) {
		return d.What, d.Mend
	}
	return "Someone answered who could not prove to be the server: " + err.Error() + ".",
		"Compare what the server shows with what this machine was told to trust: its administrator knows."
}
