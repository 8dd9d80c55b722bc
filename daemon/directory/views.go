package directory

import (
	"cmp"
	"iter"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
)

// Views are the views of several realms, whose ids are all different, as one.
type Views []identity.View

// Accounts implements identity.View.
func (m Views) Accounts() iter.Seq[*identity.Listed] {
	return merged(m, identity.View.Accounts, func(a, b *identity.Listed) int { return cmp.Compare(a.UID, b.UID) },
		func(a *identity.Listed, realm int) *identity.Listed { a.Realm = realm; return a })
}

// Groups implements identity.View.
func (m Views) Groups() iter.Seq[identity.ListedGroup] {
	return merged(m, identity.View.Groups, func(a, b identity.ListedGroup) int { return cmp.Compare(a.GID, b.GID) },
		func(g identity.ListedGroup, realm int) identity.ListedGroup { g.Realm = realm; return g })
}

// merged yields what sorted sequences yield, sorted, and marks each with the number of
// its realm. What one of them yielded stays valid until it is asked for the next.
func merged[T any](m Views, seq func(identity.View) iter.Seq[T], order func(a, b T) int, mark func(v T, realm int) T) iter.Seq[T] {
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
