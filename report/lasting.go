package report

import (
	"fmt"
	"time"
)

// Friendly says a duration as people do, in its largest whole unit: "40 s",
// "3 min", "7 h", "11 days". Less than a second is "1 s"; below zero is too.
func Friendly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 2*time.Second:
		return "1 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/day)
	}
}

// FriendlyMore is Friendly with "more" in its place: "11 more days", "40 s more".
func FriendlyMore(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d more days", d/(24*time.Hour))
	}
	return Friendly(d) + " more"
}

// Day says a time, in Unix seconds, as people do.
func Day(unix int64) string { return time.Unix(unix, 0).Format("2 January 2006 15:04") }
