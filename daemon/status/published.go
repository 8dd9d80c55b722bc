package status

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// published is what the publisher last said.
type published struct {
	report.Directory
	content uint64 // the revision that the file in force was made of
}

// SetPublished tells of the file that programs read, for status:
// after each attempt to publish, with what is in force now and the revisions
// that it was made of. Absent, Until and StaleSince are found here.
func (d *Realm) SetPublished(of identity.Revisions, r report.Directory) {
	d.published.Store(&published{Directory: r, content: of.Content})
}

// staleAfter is how far the file may lag behind before it is a finding.
const staleAfter = 10 * time.Second

// directory is the section of status; nil where nobody publishes.
func (d *Realm) directory() *report.Directory {
	p := d.published.Load()
	if p == nil {
		return nil
	}
	r := p.Directory
	s := d.DirectoryStanding()
	r.Absent, r.Until, r.StaleSince = s.Absent, nil, nil
	if !s.Until.Equal(identity.Forever()) {
		r.Until = &s.Until
	}
	if rev, since := d.Directory().Revisions(); rev.Content != p.content || r.Written == nil {
		r.StaleSince = &since
	}
	return &r
}

// directoryFindings are troubles of what programs are told.
func (d *Realm) directoryFindings(r *report.Directory) []report.Finding {
	list := d.localGroupFindings()
	if r != nil {
		late := r.StaleSince != nil && d.o.Now().Sub(*r.StaleSince) > staleAfter
		switch {
		case r.LastError != "":
			list = append(list, report.Finding{
				Check: "directory", Severity: report.Problem, Detail: "The file that programs read names from is not published: " + r.LastError + ".",
				Mend: "Look at the log of sallyportd and at the folder of " + r.Path + ".",
			})
		case late:
			list = append(list, report.Finding{
				Check: "directory", Severity: report.Warning, Detail: "The file that programs read names from is older than what is known here.",
				Mend: "If it stays so, restart sallyportd and look at its log.",
			})
		}
		if r.Until != nil && !d.Clock().Now().Before(*r.Until) {
			list = append(list, report.Finding{
				Check: "directory", Severity: report.Problem, Detail: "Names are no longer answered: the last contact with the server is too long ago.",
				Mend: "Connect to the network, or raise [directory] keep.",
			})
		}
	}
	if d.SubIDsFull() {
		list = append(list, report.Finding{
			Check: "subordinate ids", Severity: report.Warning, Detail: "Every range of subordinate ids is given out: " + d.o.Policy.SubIDs.String() + ".",
			Mend: "Widen [subids] range.",
		})
	}
	return append(list, d.o.Others()...)
}

// localGroupFindings names the groups that cannot be given.
func (d *Realm) localGroupFindings() []report.Finding {
	l, err := d.Files().Now()
	if err != nil {
		return nil // every lookup says so
	}
	var list []report.Finding
	for _, name := range slices.Sorted(maps.Keys(d.o.Policy.LocalGroups)) {
		gid, ok := l.GidOf(name)
		switch {
		case !ok:
			list = append(list, report.Finding{
				Check: "groups", Severity: report.Warning, Detail: fmt.Sprintf("The local group %s, which members of a group of the realm are to have, is not in /etc/group.", identity.Printable(name)),
				Mend: "Add it with groupadd, or take it out of [groups] local.",
			})
		case !directory.MayGive(gid):
			list = append(list, report.Finding{
				Check: "groups", Severity: report.Problem, Detail: fmt.Sprintf("The local group %s has the id %d, which nobody is given.", identity.Printable(name), gid),
				Mend: "Take it out of [groups] local.",
			})
		}
	}
	return list
}
