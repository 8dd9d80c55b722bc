package directory

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// group is a group that more than its own account may have. One that only its own
// account has is folded into that: see [Packed].
type group struct {
	identity.Group
	number   uint32
	revision uint64   // of the token that it was last taken from
	members  []uint32 // numbers of accounts, in no order
	// problem says why the group is not served; "" when it is.
	problem string
	// found is set while the group is remembered because somebody asked for it; see
	// ondemand.go. It is served then, whether it has members or not.
	onDemand *onDemand
	// packed: some account was packed with its number.
	packed bool
}

const (
	problemHeld  = "its name or gid is another group's"
	problemRange = "its gid is outside this machine's range"
	problemMoved = "its gid changed, or was another group's"
)

// without takes a member out.
func (g *group) without(n uint32, x *Directory) {
	if i := slices.Index(g.members, n); i >= 0 {
		last := len(g.members) - 1
		g.members[i] = g.members[last]
		g.members = g.members[:last]
	}
	if len(g.members) == 0 {
		x.emptied = append(x.emptied, g)
	}
}

// folds tells whether the account's own group can be folded into it: it is as the
// account is, and nobody else speaks of it.
func (x *Directory) folds(a identity.Account, groups []identity.Group) bool {
	g := groups[0]
	if g.Name != a.Name || g.GID != a.GID || a.GID != a.UID || len(g.Demands) > 0 || g.Points > 0 || g.Earned || !x.rules.Allowed(g.GID) {
		return false
	}
	if x.groups[g.UUID] != nil || x.groupName[g.Name] != nil || x.groupGID[g.GID] != nil || x.checkGID(g.GID, g.UUID) != "" {
		return false
	}
	if n, ok := x.ownedBy(g.UUID); ok && x.accounts[n].uuid != a.UUID {
		return false
	}
	return !slices.ContainsFunc(groups[1:], func(o identity.Group) bool {
		return o.UUID == g.UUID || o.Name == g.Name || o.GID == g.GID
	})
}

// unfold makes an account's own group one like the others.
func (x *Directory) unfold(n uint32) {
	p := *x.accounts[n]
	revision := p.revision
	if !(&Listing{x.listBegun}).Since(&p) {
		revision = 0 // the list has not spoken of it yet
	}
	g := x.enter(&group{Group: p.ownGroup(), revision: revision, members: []uint32{n}, packed: true})
	x.groupName[g.Name], x.groupGID[g.GID] = g, g
	x.byOwn.drop(n, x.hashOwn)
	x.gids.set(g.GID, g.UUID)
	e := p.Entry()
	e.blocked = x.blocked[p.uuid]
	x.accounts[n] = pack(e, p.table(), p.history(), append([]uint32{g.number}, p.numbers()...))
}

// enter gives a new group its number.
func (x *Directory) enter(g *group) *group {
	if last := len(x.spare) - 1; last >= 0 {
		g.number, x.spare = x.spare[last], x.spare[:last]
		x.numbered[g.number] = g
	} else {
		g.number = uint32(len(x.numbered)) //nolint:gosec // memory ends before
		x.numbered = append(x.numbered, g)
	}
	x.groups[g.UUID] = g
	return g
}

// sweep drops groups that were left by their last member and that nobody asked for.
func (x *Directory) sweep() {
	for _, g := range x.emptied {
		if len(g.members) > 0 || g.onDemand != nil || x.groups[g.UUID] != g {
			continue
		}
		delete(x.groups, g.UUID)
		x.numbered[g.number] = nil
		if !g.packed {
			x.spare = append(x.spare, g.number)
		}
		x.free(g)
	}
	x.emptied = x.emptied[:0]
}

// free takes a group's name and number away.
func (x *Directory) free(g *group) {
	held := false
	if x.groupName[g.Name] == g {
		delete(x.groupName, g.Name)
		held = true
	}
	if x.groupGID[g.GID] == g {
		delete(x.groupGID, g.GID)
		held = true
	}
	if held {
		x.release()
	}
}

// release lets groups that were refused for what another held have it, if they
// now can.
func (x *Directory) release() {
	if !x.waiting {
		return
	}
	for _, g := range x.groups {
		if g.problem == problemHeld {
			x.claim(g)
		}
	}
}

// intern finds or makes the one group of that uuid, as its newest token has it.
func (x *Directory) intern(g identity.Group, revision uint64) *group {
	if n, ok := x.ownedBy(g.UUID); ok {
		x.unfold(n)
	}
	in := x.groups[g.UUID]
	switch {
	case in == nil:
		in = x.enter(&group{Group: g, revision: revision})
		in.Demands = slices.Clone(g.Demands)
	case revision < in.revision, in.same(g):
		in.revision = max(in.revision, revision)
		return in
	default:
		x.free(in)
		x.dirty.visible = true
		x.dirty.lost = x.dirty.lost || g.Earned && !in.Earned && len(in.members) > 0
		in.Group, in.revision = g, revision
		in.Demands = slices.Clone(g.Demands)
	}
	was := in.problem
	name := identity.ReservedName(g.Name, x.rules.Reserved...)
	switch {
	case name != nil:
		in.problem = identity.ReservedWhy(name) + "; [groups] local gives its members a local group"
	case !x.rules.Allowed(g.GID):
		in.problem = problemRange
	case x.checkGID(g.GID, g.UUID) != "":
		in.problem = problemMoved
	default:
		x.claim(in)
	}
	x.dirty.lost = x.dirty.lost || (was == "" && in.problem != "" && (len(in.members) > 0 || in.onDemand != nil))
	return in
}

// same tells whether another token says the same of the group.
func (g *group) same(o identity.Group) bool {
	return g.Name == o.Name && g.GID == o.GID && slices.Equal(g.Demands, o.Demands) && g.Points == o.Points && g.Earned == o.Earned
}

// claim gives a group its name and number when both are free.
func (x *Directory) claim(g *group) {
	byName, byGID := x.groupName[g.Name], x.groupGID[g.GID]
	held := (byName != nil && byName != g) || (byGID != nil && byGID != g)
	for _, p := range []*Packed{x.atName(g.Name), x.atUID(g.GID)} {
		held = held || (p != nil && p.own != uuid.Nil)
	}
	if held {
		g.problem, x.waiting = problemHeld, true
		return
	}
	x.dirty.visible = x.dirty.visible || g.problem != ""
	g.problem = ""
	x.groupName[g.Name], x.groupGID[g.GID] = g, g
}

// Membership is one group of an account, copied.
type Membership struct {
	identity.Group
	problem string
}

// GroupsOf copies an account's groups in the token's order. One that is gone
// meanwhile is left out.
func (x *Directory) GroupsOf(e *Entry) []Membership {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []Membership
	if e.packed.own != uuid.Nil && !x.rules.Ahead.Claims(e.packed.own) {
		list = append(list, Membership{Group: e.packed.ownGroup()})
	}
	if e.era != x.era {
		return list
	}
	e.packed.groups(func(n uint32) {
		if g := x.numbered[n]; g != nil && !x.rules.Ahead.Claims(g.UUID) {
			list = append(list, Membership{g.Group, g.problem})
		}
	})
	return list
}

// served copies a group with those of its members that are answered here. One that
// has none of these is named only if it was asked for.
func (x *Directory) served(g *group, l Local) (identity.GroupEntry, bool) {
	if g == nil || g.problem != "" {
		return identity.GroupEntry{}, false
	}
	e := identity.GroupEntry{Group: g.Group, Members: make([]identity.Name, 0, len(g.members))}
	for _, n := range g.members {
		if p := x.accounts[n]; !l.Hides(p.Name(), p.uid, p.gid) {
			e.Members = append(e.Members, p.Name())
		}
	}
	slices.Sort(e.Members)
	named := len(e.Members) > 0 || g.onDemand != nil
	if g.Earned {
		e.Members = nil // whose it is, each session shows
	}
	return e, named
}

// groupIDs returns the uuids of all groups that are not folded.
func (x *Directory) groupIDs() []uuid.UUID {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]uuid.UUID, 0, len(x.groups))
	for id := range x.groups {
		list = append(list, id)
	}
	return list
}

// Problems copies the groups that are not served, and why.
func (x *Directory) Problems() []Membership {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []Membership
	for _, g := range x.groups {
		if g.problem != "" {
			list = append(list, Membership{g.Group, g.problem})
		}
	}
	return list
}

// Problem says why the group is not served; "" when it is.
func (m Membership) Problem() string { return m.problem }

// GroupIDsOf are the numbers of an account's groups that are answered here, its own first,
// and of the local groups that they give. Those that a session must earn are not among them.
func (x *Directory) GroupIDsOf(e *Entry, l Local) identity.GroupIDs {
	extra := x.localGroups(l)
	var ids identity.GroupIDs
	for _, g := range x.GroupsOf(e) {
		if g.Earned {
			continue
		}
		if g.problem == "" && !l.HidesGroup(g.Group) {
			ids.GIDs = append(ids.GIDs, g.GID)
		}
		ids.Local = append(ids.Local, extra[g.UUID]...)
	}
	ids.Local = settleLocal(ids.Local, e.blocked != "")
	return ids
}

// EachGroup calls each for every group that is answered here, in no order.
func (x *Directory) EachGroup(l Local, each func(identity.GroupEntry) error) error {
	one := func(g identity.GroupEntry) error {
		if l.HidesGroup(g.Group) {
			return nil
		}
		return each(g)
	}
	for _, id := range x.groupIDs() {
		if g, ok := x.groupWith(id, l); ok {
			if err := one(g); err != nil {
				return err
			}
		}
	}
	for _, p := range x.All() {
		if p.own == uuid.Nil {
			continue
		}
		if g, ok := p.ownEntry(l); ok {
			if err := one(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// CalledGroup is what a group of that uuid is called, unless it is folded.
func (x *Directory) CalledGroup(id uuid.UUID) (identity.Name, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g := x.groups[id]
	if g == nil {
		return "", false
	}
	return g.Name, true
}

// GroupHeld is the group that holds a name, served or not; it is not a folded one.
func (x *Directory) GroupHeld(name identity.Name) (uuid.UUID, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return held(x.groupName[name])
}

// GidHeld is groupHeld by number.
func (x *Directory) GidHeld(gid uint32) (uuid.UUID, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return held(x.groupGID[gid])
}

func held(g *group) (uuid.UUID, bool) {
	if g == nil {
		return uuid.Nil, false
	}
	return g.UUID, true
}

// Subordinate are the groups whose gid /etc/subgid gives to somebody.
func (x *Directory) Subordinate(l Local) []identity.Group {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []identity.Group
	for gid, g := range x.groupGID {
		if l.subgids.has(gid) {
			list = append(list, g.Group)
		}
	}
	return list
}

// StrengthGated lists the groups, of whoever is known here, that a session must earn.
func (x *Directory) StrengthGated() []identity.Name {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []identity.Name
	for _, g := range x.groups {
		if g.Earned && g.problem == "" {
			list = append(list, g.Name)
		}
	}
	slices.Sort(list)
	return list
}
