package directory

import (
	"cmp"
	"iter"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// view is the directory at one moment: see [identity.View]. It shares the
// accounts with the index, where none ever changes, and is made without their
// texts: a hundred thousand of them cost a megabyte and some milliseconds.
type view struct {
	accounts []*Packed // uids ascending
	local    Local
	groups   []viewed               // by number
	listed   []uint32               // numbers of groups to yield, gids ascending
	extra    map[uuid.UUID][]uint32 // local gids by the uuid of a group of the realm
}

// viewed is a group of a view. The zero value is not served.
type viewed struct {
	identity.Group
	served   bool
	onDemand bool     // whether an account lists it or not
	extra    []uint32 // local gids
}

// View is the directory at this moment. What the local files have by name or id is left
// out, as every lookup leaves it out.
func (x *Directory) View(l Local) identity.View {
	v := &view{local: l, extra: x.localGroups(l)}
	v.copy(x)
	v.accounts = slices.DeleteFunc(v.accounts, func(p *Packed) bool { return l.Hides(p.Name(), p.uid, p.gid) })
	slices.SortFunc(v.accounts, func(a, b *Packed) int { return cmp.Compare(a.uid, b.uid) })
	v.list()
	return v
}

// copy takes the one moment.
func (v *view) copy(x *Directory) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	v.accounts = x.gather()
	v.groups = make([]viewed, len(x.numbered))
	for n, g := range x.numbered {
		if g != nil {
			served := g.problem == "" && !v.local.HidesGroup(g.Group)
			v.groups[n] = viewed{Group: g.Group, served: served, onDemand: g.onDemand != nil}
			if !g.Earned && !v.local.ahead.Claims(g.UUID) {
				v.groups[n].extra = v.extra[g.UUID]
			}
		}
	}
}

// list finds the groups that an account of the view lists, or that were asked for.
func (v *view) list() {
	seen := make([]bool, len(v.groups))
	for n, g := range v.groups {
		if seen[n] = g.served && g.onDemand; seen[n] {
			v.listed = append(v.listed, uint32(n))
		}
	}
	for _, p := range v.accounts {
		p.groups(func(n uint32) {
			if !seen[n] && v.groups[n].served {
				v.listed = append(v.listed, n)
			}
			seen[n] = true
		})
	}
	slices.SortFunc(v.listed, func(a, b uint32) int { return cmp.Compare(v.groups[a].GID, v.groups[b].GID) })
}

// Accounts yields each in one and the same Listed.
func (v *view) Accounts() iter.Seq[*identity.Listed] {
	return func(yield func(*identity.Listed) bool) {
		var one identity.Listed
		for _, p := range v.accounts {
			one.Account = p.Account()
			one.GIDs, one.Local = one.GIDs[:0], one.Local[:0]
			if v.ownServed(p) {
				one.GIDs = append(one.GIDs, p.gid)
			}
			if !v.local.ahead.Claims(p.own) {
				one.Local = append(one.Local, v.extra[p.own]...)
			}
			p.groups(func(n uint32) {
				if g := &v.groups[n]; g.served && !g.Earned {
					one.GIDs = append(one.GIDs, v.groups[n].GID)
				}
				one.Local = append(one.Local, v.groups[n].extra...)
			})
			one.Local = settleLocal(one.Local, p.blocked)
			if !yield(&one) {
				return
			}
		}
	}
}

// ownServed tells whether the account has a folded group that is served. A local
// group with its gid hides the account too; what is left is the name.
func (v *view) ownServed(p *Packed) bool {
	return p.own != uuid.Nil && !v.local.groups.byName[string(p.Name())]
}

// Groups merges the folded ones, whose gids are their accounts' uids, with others.
func (v *view) Groups() iter.Seq[identity.ListedGroup] {
	return func(yield func(identity.ListedGroup) bool) {
		others := v.listed
		for _, p := range v.accounts {
			if !v.ownServed(p) {
				continue
			}
			for len(others) > 0 && v.groups[others[0]].GID < p.gid {
				if !yield(identity.ListedGroup{Group: v.groups[others[0]].Group}) {
					return
				}
				others = others[1:]
			}
			if !yield(identity.ListedGroup{Group: p.ownGroup()}) {
				return
			}
		}
		for _, n := range others {
			if !yield(identity.ListedGroup{Group: v.groups[n].Group}) {
				return
			}
		}
	}
}
