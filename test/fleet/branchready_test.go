package fleet

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// monitored starts the branch anew so that monitoring can ask it, and returns how.
func (b *branch) monitored(t *testing.T) (ask func(path string) (code int, body string)) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "m.sock")
	b.must(nil, b.reads.Stop())
	b.reads.Words = []string{"--metrics", "unix:" + socket}
	b.must(nil, b.reads.Start(t.Context()))
	return func(path string) (int, string) { t.Helper(); return asked(t, socket, path) }
}

// TestMonitoringHearsWhetherABranchLetsPeopleIn: without its primary it does, without its
// standby it does not, and it lives all the while.
// Promise metrics-reading.
func TestMonitoringHearsWhetherABranchLetsPeopleIn(t *testing.T) {
	b := newBranch(t, false, 0)
	ask := b.monitored(t)
	ready := func(when string, want int, why string) {
		t.Helper()
		var code int
		var says string
		b.until(when, func() bool { // it looks once a second
			code, says = ask("/readyz")
			return code == want
		})
		if !strings.Contains(says, why) {
			t.Errorf("%s: readyz says %d %q", when, code, says)
		}
		if code, says := ask("/healthz"); code != http.StatusOK {
			t.Errorf("%s: healthz says %d %q", when, code, says)
		}
	}
	ready("all are there", http.StatusOK, "ok")
	b.cutOff()
	ready("the primary is away", http.StatusOK, "ok")
	b.must(nil, b.standby.Kill())
	ready("the standby is away", http.StatusServiceUnavailable, "the database does not answer")
	b.must(nil, b.standby.Run(t.Context()))
	ready("the standby is back", http.StatusOK, "ok")
	b.must(nil, b.database.Run(t.Context()))
	b.must(nil, b.full.Start(t.Context()))
	b.must(b.full.Admin(t.Context(), "", "server", "remove", b.id))
	ready("the realm has removed it", http.StatusServiceUnavailable, "it is not admitted yet, or was removed")
}

// TestMonitoringHearsThatABranchHeardNothingForTooLong.
// Promise metrics-reading.
func TestMonitoringHearsThatABranchHeardNothingForTooLong(t *testing.T) {
	b := newBranch(t, false, time.Second)
	ask := b.monitored(t)
	b.cutOff()
	var says string
	b.until("it says that nobody is let in", func() bool {
		var code int
		code, says = ask("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(says, "has heard nothing of its primary since")
	})
}
