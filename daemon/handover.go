package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/subid"
)

// The daemon may not write /etc/subuid. It keeps a list of the ranges in its state
// folder; a unit of systemd watches that file and starts sallyport-subids, which may.
// What did not arrive is handed over again by writing the file again:
//
//	event                                     what happens                     next look
//	a range is given out, or the daemon       the file is written if it is     after 5 s
//	starts                                    not what it should be
//	a look, and all ranges are in the files   nothing                          after 10 min
//	a look, and some are missing              the file is written again        twice as
//	                                                                           long after
type handOver struct {
	changed chan struct{}

	mu      sync.Mutex
	missing int       // people whose range has not arrived
	absent  []string  // files that the machine does not have
	since   time.Time // when some began to be missing; zero: none is
	fault   error     // of the last attempt
}

// Times of a handOver.
const (
	handOverSoon  = 5 * time.Second
	handOverEvery = 10 * time.Minute
)

func newHandOver() *handOver { return &handOver{changed: make(chan struct{}, 1)} }

func (h *handOver) wake() {
	select {
	case h.changed <- struct{}{}:
	default: // one is waiting to be read
	}
}

// handOverSubIDs keeps the list until ctx ends.
func (r *Realms) handOverSubIDs(ctx context.Context) {
	o := r.list()[0].o
	if o.SubIDList == "" {
		return
	}
	wait, again := handOverSoon, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.handOver.changed:
			wait, again = handOverSoon, false
		case <-timer.C:
		}
		missing := r.handOnce(again)
		switch {
		case missing == 0:
			wait, again = handOverEvery, false
		case again:
			wait = min(2*wait, handOverEvery)
		default:
			wait, again = handOverSoon, true
		}
		timer.Reset(wait)
	}
}

// handOnce writes the list where that is needed, and counts whose range is missing in
// the machine's files.
func (r *Realms) handOnce(again bool) int {
	o := r.list()[0].o
	given := r.givenSubIDs()
	p, err := subid.Host{Root: o.LocalFiles}.Plan(given)
	missing := p.Missing()
	if keep := subid.WriteList(o.SubIDList, given, again && missing > 0); keep != nil {
		err = errors.Join(err, keep)
	}
	if err != nil {
		o.Log.Error("subordinate ids are not handed over", "error", err)
	}
	h := r.handOver
	h.mu.Lock()
	defer h.mu.Unlock()
	if missing == 0 {
		h.since = time.Time{}
	} else if h.since.IsZero() {
		h.since = o.Now()
	}
	h.missing, h.absent, h.fault = missing, p.Absent, err
	if len(given) == 0 {
		h.absent = nil
	}
	return missing
}

// givenSubIDs are those of all realms, by where they begin.
func (r *Realms) givenSubIDs() []identity.SubIDs {
	var all []identity.SubIDs
	for _, d := range r.list() {
		all = append(all, d.GivenSubIDs()...)
	}
	slices.SortFunc(all, func(a, b identity.SubIDs) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

const subIDsCheck = "subordinate ids"

// arrivesWithin is how long a range may take before it is a finding.
const arrivesWithin = 10 * time.Second

// findings say what did not arrive. The first seconds are the other program's.
func (h *handOver) findings(now time.Time) []report.Finding {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []report.Finding
	if h.fault != nil {
		list = append(list, report.Finding{
			Check: subIDsCheck, Severity: report.Warning, Detail: "Subordinate ids are not handed over: " + h.fault.Error() + ".",
			Mend: "Look at the log of sallyportd.",
		})
	}
	if len(h.absent) > 0 {
		list = append(list, report.Finding{
			Check: subIDsCheck, Severity: report.Note, Detail: h.absent[0] + " does not exist, so people of the realm get no subordinate ids, which rootless containers need.",
			Mend: "To allow them: touch /etc/subuid /etc/subgid",
		})
	}
	if h.missing > 0 && now.Sub(h.since) > arrivesWithin {
		list = append(list, report.Finding{
			Check: subIDsCheck, Severity: report.Warning,
			Detail: fmt.Sprintf("The subordinate ids of %d people have not reached /etc/subuid and /etc/subgid, so their rootless containers do not start.", h.missing),
			Mend:   "systemctl enable --now sallyport-subids.path; journalctl -u sallyport-subids shows why.",
		})
	}
	return list
}
