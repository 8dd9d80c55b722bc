package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// Revisions is [Daemon.Revisions]: the sums, which grow as each of them does.
func (r *Realms) Revisions() identity.Revisions {
	var sum identity.Revisions
	for _, d := range r.list() {
		rev := d.Revisions()
		sum.Content += rev.Content
		sum.Urgent += rev.Urgent
		sum.Standing += rev.Standing
	}
	return sum
}

// Changed is [Daemon.Changed]. It is sent to while Run runs, which alone reads what
// each of them sends.
func (r *Realms) Changed() <-chan struct{} { return r.changed }

// DirectoryStanding is [Daemon.DirectoryStanding]: a name is known to be absent when
// all know it, and the names may be trusted for as long as the first of them to lapse.
func (r *Realms) DirectoryStanding() identity.DirectoryStanding {
	all := r.list()
	s := all[0].DirectoryStanding()
	for _, d := range all[1:] {
		o := d.DirectoryStanding()
		s.Absent = s.Absent && o.Absent
		if o.Until.Before(s.Until) {
			s.Until = o.Until
		}
	}
	return s
}

// View is [Daemon.View].
func (r *Realms) View(ctx context.Context) (identity.View, error) {
	all := r.list()
	if len(all) == 1 {
		return all[0].View(ctx)
	}
	var views []identity.View
	for _, d := range all {
		v, err := d.View(ctx)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return directory.Views(views), nil
}
