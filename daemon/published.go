package daemon

import (
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// published is what the publisher last said.
type published struct {
	report.Directory
	content uint64 // the revision that the file in force was made of
}

// SetPublished tells the daemon of the file that programs read, for status:
// after each attempt to publish, with what is in force now and the revisions
// that it was made of. Absent, Until and StaleSince are the daemon's own.
func (d *Daemon) SetPublished(of identity.Revisions, r report.Directory) {
	d.published.Store(&published{Directory: r, content: of.Content})
}

// staleAfter is how far the file may lag behind before it is a finding.
const staleAfter = 10 * time.Second

// directory is the section of status; nil where nobody publishes.
func (d *Daemon) directory() *report.Directory {
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
	if rev, since := d.following.revisions(); rev.Content != p.content || r.Written == nil {
		r.StaleSince = &since
	}
	return &r
}
