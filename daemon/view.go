package daemon

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// view is the directory at one moment: see [identity.View].
type view struct {
	accounts []identity.Listed
	groups   []identity.Group
	subIDs   []identity.SubIDs
}

// View returns what programs may know of the directory at this moment. What the
// local files have by name or id is left out, as every lookup leaves it out.
func (d *Daemon) View(ctx context.Context) (identity.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	l, err := d.local.now()
	if err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	v := &view{}
	given := d.subs.all()
	x := d.index
	x.mu.RLock()
	seen := map[uuid.UUID]bool{}
	for _, e := range x.byUUID {
		if l.hides(e.account) {
			continue
		}
		one := identity.Listed{Account: e.account}
		for _, g := range e.groups {
			if g.problem != "" || l.hidesGroup(g.Group) {
				continue
			}
			one.GIDs = append(one.GIDs, g.GID)
			if !seen[g.UUID] {
				seen[g.UUID] = true
				v.groups = append(v.groups, g.Group)
			}
		}
		v.accounts = append(v.accounts, one)
		if start, ok := given[e.account.UUID]; ok {
			v.subIDs = append(v.subIDs, identity.SubIDs{UID: e.account.UID, Start: start})
		}
	}
	x.mu.RUnlock()
	slices.SortFunc(v.accounts, func(a, b identity.Listed) int { return cmp.Compare(a.UID, b.UID) })
	slices.SortFunc(v.groups, func(a, b identity.Group) int { return cmp.Compare(a.GID, b.GID) })
	slices.SortFunc(v.subIDs, func(a, b identity.SubIDs) int { return cmp.Compare(a.Start, b.Start) })
	return v, nil
}

func (v *view) Accounts() iter.Seq[*identity.Listed] {
	return func(yield func(*identity.Listed) bool) {
		for i := range v.accounts {
			if !yield(&v.accounts[i]) {
				return
			}
		}
	}
}

func (v *view) Groups() iter.Seq[identity.Group] { return slices.Values(v.groups) }

func (v *view) SubIDs() iter.Seq[identity.SubIDs] { return slices.Values(v.subIDs) }
