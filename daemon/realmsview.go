package daemon

import (
	"cmp"
	"context"
	"iter"
	"slices"

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
	return manyViews(views), nil
}

// manyViews are the views of several realms, whose ids are all different.
type manyViews []identity.View

func (m manyViews) Accounts() iter.Seq[*identity.Listed] {
	return merged(m, identity.View.Accounts, func(a, b *identity.Listed) int { return cmp.Compare(a.UID, b.UID) },
		func(a *identity.Listed, realm int) *identity.Listed { a.Realm = realm; return a })
}

func (m manyViews) Groups() iter.Seq[identity.ListedGroup] {
	return merged(m, identity.View.Groups, func(a, b identity.ListedGroup) int { return cmp.Compare(a.GID, b.GID) },
		func(g identity.ListedGroup, realm int) identity.ListedGroup { g.Realm = realm; return g })
}

// merged yields what sorted sequences yield, sorted, and marks each with the number of
// its realm. What one of them yielded stays valid until it is asked for the next.
func merged[T any](m manyViews, seq func(identity.View) iter.Seq[T], order func(a, b T) int, mark func(v T, realm int) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		type source struct {
			next  func() (T, bool)
			head  T
			realm int
		}
		var all []*source
		for i, v := range m {
			next, stop := iter.Pull(seq(v))
			defer stop()
			s := &source{next: next, realm: i}
			var ok bool
			if s.head, ok = next(); ok {
				all = append(all, s)
			}
		}
		for len(all) > 0 {
			least := slices.MinFunc(all, func(a, b *source) int { return order(a.head, b.head) })
			if !yield(mark(least.head, least.realm)) {
				return
			}
			var ok bool
			if least.head, ok = least.next(); !ok {
				all = slices.DeleteFunc(all, func(s *source) bool { return s == least })
			}
		}
	}
}
