package status

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/report"
)

// lossTold is for how long status names it among its findings.
const lossTold = 30 * 24 * time.Hour

func (d *Realm) historyStatus(p *report.Provider) {
	k := d.Contact()
	if k.History != uuid.Nil {
		p.History = k.History.String()
	}
	if !k.LostAt.IsZero() {
		p.WentBack, p.WentBackWhy = &k.LostAt, k.LostWhy
	}
}

func (d *Realm) historyFindings() []report.Finding {
	k := d.Contact()
	if k.LostAt.IsZero() || d.Clock().Now().Sub(k.LostAt) > lossTold {
		return nil
	}
	why := k.LostWhy
	if why == "" {
		why = "It gave no reason."
	}
	f := report.Finding{
		Check: "history", Severity: report.Note,
		Detail: fmt.Sprintf("On %s the server said that it was taken back to an earlier state. %s This machine goes by the server's list since, and dropped what the list does not say.", report.Day(k.LostAt.Unix()), why),
		Mend:   "Tell people whose password, keys or groups had changed in between that the older ones count again.",
	}
	if k.Disowned {
		f.Severity = report.Warning
		f.Detail = fmt.Sprintf("On %s the server said that it was taken back to an earlier state. %s Its list of accounts was not read since, so nobody can log in by what this machine remembers.", report.Day(k.LostAt.Unix()), why)
		f.Mend = "Make sure that this machine can reach the server."
	}
	return []report.Finding{f}
}
