package report

import (
	"testing"
	"time"
)

func TestDurationsReadAsPeopleSayThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "1 s", 0: "1 s", time.Second: "1 s", 59 * time.Second: "59 s", time.Minute: "1 min",
		59*time.Minute + 59*time.Second: "59 min", time.Hour: "1 h", 3*time.Hour + 59*time.Minute: "3 h", 47 * time.Hour: "47 h",
		48 * time.Hour: "2 days", 11*24*time.Hour + time.Hour: "11 days",
	} {
		if got := Friendly(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := FriendlyMore(11*24*time.Hour + 1); got != "11 more days" {
		t.Error(got)
	}
}
