package checks

import (
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/report"
)

// Age is how old our knowledge of an account is, and may become.
type Age struct {
	Checked time.Time
	Old     time.Duration
	Limit   time.Duration
	Within  bool
	// disowned: the server has lost what is known, so it has no age.
	disowned bool
}

// AgeOf judges by the trusted clock.
func (d *Checker) AgeOf(e *directory.Entry) Age {
	a := Age{Checked: d.known.CheckedAt(e), Limit: min(time.Duration(e.OfflineFor())*time.Second, d.p.OfflineMax)}
	a.Old = max(d.known.Clock().Now().Sub(a.Checked), 0)
	a.disowned = d.known.Directory().IsDisowned(e)
	a.Within = a.Limit > 0 && a.Old <= a.Limit && !a.disowned
	return a
}

// String is what a person sees after logging in without a network.
func (a Age) String() string {
	return fmt.Sprintf("Offline. Last checked %s ago; works for %s.", report.Friendly(a.Old), report.FriendlyMore(a.Limit-a.Old))
}

// Refusal says why it is not within its limit.
func (a Age) Refusal() string {
	if a.disowned {
		return disownedWhy
	}
	if a.Limit <= 0 {
		return "Offline. This account may be used only with the server."
	}
	return fmt.Sprintf("Offline. Last checked %s ago; allowed are %s.", report.Friendly(a.Old), report.Friendly(a.Limit))
}
