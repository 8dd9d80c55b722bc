// Package handover takes the ranges of subordinate ids that were given out to the files of
// the machine. It writes one file, the list in the state folder, and reads /etc/subuid and
// /etc/subgid. It knows nothing of realms and accounts.
package handover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/subid"
)

// HandOver keeps the list. The daemon may not write /etc/subuid. It keeps a list of the ranges in its state
// folder; a unit of systemd watches that file and starts sallyport-subids, which may.
// What did not arrive is handed over again by writing the file again:
//
//	event                                     what happens                     next look
//	a range is given out, or the daemon       the file is written if it is     after 5 s
//	starts                                    not what it should be
//	a look, and all ranges are in the files   nothing                          after 10 min
//	a look, and some are missing              the file is written again        twice as
//	                                                                           long after
type HandOver struct {
	// List is the file; "": none is kept. Root is the folder under which etc/subuid lies.
	List, Root string
	// Given are the ranges that were given out, by where they begin.
	Given func() []identity.SubIDs
	Now   func() time.Time
	Log   *slog.Logger

	changed chan struct{}

	mu      sync.Mutex
	missing int       // people whose range has not arrived
	absent  []string  // files that the machine does not have
	since   time.Time // when some began to be missing; zero: none is
	fault   error     // of the last attempt
}

// Times of a HandOver.
const (
	soon  = 5 * time.Second
	every = 10 * time.Minute
)

// New makes one of those ranges. It is run once its fields are set.
func New(given func() []identity.SubIDs) *HandOver {
	return &HandOver{Given: given, changed: make(chan struct{}, 1)}
}

// Wake says that a range was given out.
func (h *HandOver) Wake() {
	select {
	case h.changed <- struct{}{}:
	default: // one is waiting to be read
	}
}

// Woken tells whether a range was given out that Run has not looked at.
func (h *HandOver) Woken() bool { return len(h.changed) > 0 }

// Run keeps the list until ctx ends.
func (h *HandOver) Run(ctx context.Context) {
	if h.List == "" {
		return
	}
	wait, again := soon, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
			wait, again = soon, false
		case <-timer.C:
		}
		missing := h.Once(again)
		switch {
		case missing == 0:
			wait, again = every, false
		case again:
			wait = min(2*wait, every)
		default:
			wait, again = soon, true
		}
		timer.Reset(wait)
	}
}

// Once writes the list where that is needed, and counts whose range is missing in the
// machine's files. Again writes it also when it is as it should be.
func (h *HandOver) Once(again bool) int {
	given := h.Given()
	p, err := subid.Host{Root: h.Root}.Plan(given)
	missing := p.Missing()
	if keep := subid.WriteList(h.List, given, again && missing > 0); keep != nil {
		err = errors.Join(err, keep)
	}
	if err != nil {
		h.Log.Error("subordinate ids are not handed over", "error", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if missing == 0 {
		h.since = time.Time{}
	} else if h.since.IsZero() {
		h.since = h.Now()
	}
	h.missing, h.absent, h.fault = missing, p.Absent, err
	if len(given) == 0 {
		h.absent = nil
	}
	return missing
}

const check = "subordinate ids"

// arrivesWithin is how long a range may take before it is a finding.
const arrivesWithin = 10 * time.Second

// Findings say what did not arrive. The first seconds are the other program's.
func (h *HandOver) Findings(now time.Time) []report.Finding {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []report.Finding
	if h.fault != nil {
		list = append(list, report.Finding{
			Check: check, Severity: report.Warning, Detail: "Subordinate ids are not handed over: " + h.fault.Error() + ".",
			Mend: "Look at the log of sallyportd.",
		})
	}
	if len(h.absent) > 0 {
		list = append(list, report.Finding{
			Check: check, Severity: report.Note, Detail: h.absent[0] + " does not exist, so people of the realm get no subordinate ids, which rootless containers need.",
			Mend: "To allow them: touch /etc/subuid /etc/subgid",
		})
	}
	if h.missing > 0 && now.Sub(h.since) > arrivesWithin {
		list = append(list, report.Finding{
			Check: check, Severity: report.Warning,
			Detail: fmt.Sprintf("The subordinate ids of %d people have not reached /etc/subuid and /etc/subgid, so their rootless containers do not start.", h.missing),
			Mend:   "systemctl enable --now sallyport-subids.path; journalctl -u sallyport-subids shows why.",
		})
	}
	return list
}
