package daemon

import (
	"errors"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// linkState says how we stand with the server. The table is in the package doc.
type linkState uint8

const (
	starting linkState = iota
	online
	offline
)

// String is the word in status.
func (s linkState) String() string { return [...]string{"starting", "online", "offline"}[s] }

// linkEvent is what may move it.
type linkEvent uint8

const (
	evAnswered linkEvent = iota // a call was answered
	evCaughtUp                  // the change stream has sent all that we missed
	evAlive                     // a stream that had caught up is still there
	evFailed                    // a call got no answer that counts
	evBroken                    // the change stream ended
)

// next is the state table. Watches says whether the provider has a change stream.
func (s linkState) next(e linkEvent, watches bool) linkState {
	switch {
	case e == evFailed || e == evBroken:
		return offline
	case e == evCaughtUp || e == evAlive:
		return online
	case e == evAnswered && !watches:
		return online
	default:
		return s
	}
}

// link is the connection's state and its history for status.
type link struct {
	watches bool
	wall    func() time.Time

	mu        sync.Mutex
	state     linkState
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

func newLink(watches bool, since time.Time, wall func() time.Time) *link {
	return &link{watches: watches, since: since, wall: wall}
}

// note applies an event. It returns the states before and after.
func (l *link) note(e linkEvent, err error) (before, after linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.state
	l.state = l.state.next(e, l.watches)
	if l.state != before {
		l.since = l.wall()
	}
	switch e {
	case evFailed, evBroken:
		if e == evFailed { // a stream that ends is normal when a server starts anew
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
func (l *link) Watches() bool { return l.watches }

// justFailed: a call failed so recently that the next would only cost time.
func (l *link) justFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.failedAt.IsZero() && time.Since(l.failedAt) < 2*time.Second
}

func (l *link) now() linkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// linkView is a copy for status.
type linkView struct {
	state                           linkState
	since                           time.Time
	lastErr, alarm, mend, refusedBy string
	cause                           report.Finding
}

func (l *link) view() linkView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return linkView{l.state, l.since, l.lastErr, l.alarm, l.mend, l.refusedBy, l.cause}
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
