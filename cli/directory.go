package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/sallyport-auth/sallyport/report"
)

// size is a length in bytes for people.
func size(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// printDirectory says what programs read names from, and how far to trust it.
func printDirectory(w io.Writer, d *report.Directory, now time.Time) {
	if d == nil {
		return
	}
	fmt.Fprintf(w, "names\t%s\n", d.Path)
	if d.Written == nil {
		fmt.Fprintf(w, "\tnot published yet; programs ask the daemon\n")
	} else {
		fmt.Fprintf(w, "\taccounts: %d; groups: %d; %s, published %s ago in %.3g ms\n",
			d.Accounts, d.Groups, size(d.Size), span(now.Sub(*d.Written)), d.TookMillis)
	}
	absent := "what is not in it is asked of the daemon"
	if d.Absent {
		absent = "what is not in it does not exist"
	}
	until := "kept for ever"
	if d.Until != nil && now.Before(*d.Until) {
		until = "kept for " + span(d.Until.Sub(now)) + " without contact"
	} else if d.Until != nil {
		until = "NO LONGER ANSWERED: the last contact is too long ago"
	}
	fmt.Fprintf(w, "\t%s; %s\n", absent, until)
	if d.StaleSince != nil && d.Written != nil {
		fmt.Fprintf(w, "\tbehind what the daemon knows for %s\n", span(now.Sub(*d.StaleSince)))
	}
	if d.LastError != "" {
		fmt.Fprintf(w, "\tnot published: %s\n", d.LastError)
	}
}
