package directory

import (
	"testing"
	"time"
)

func TestJoinsAreCountedByHostAndTogetherEachMinute(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	q := newQuota(2, 3)
	try := func(host string, want bool) {
		t.Helper()
		if got := q.use(host, now); got != want {
			t.Errorf("%s: %t", host, got)
		}
	}
	try("a", true)
	try("a", true)
	try("a", false)
	try("b", true)
	try("c", false) // all of them together
	now = now.Add(59 * time.Second)
	try("b", false)
	now = now.Add(time.Second)
	try("c", true)
	// A clock that was set back shuts nobody out until it is where it was.
	try("c", true)
	now = now.Add(-24 * time.Hour)
	try("c", true)
}
