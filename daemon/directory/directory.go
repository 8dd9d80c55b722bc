package directory

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Directory holds every account and group of a realm in memory. Its lock is held for moments:
// never across the network or the database. An account has a number, under which
// tables and groups know it; the number of one that is gone is used again.
type Directory struct {
	mu       sync.RWMutex
	seed     maphash.Seed
	accounts []*Packed // by number; nil: the number is free
	vacant   []uint32  // numbers
	byUUID   table
	byName   table
	byUID    table
	byOwn    table // of those whose own group is folded into them
	blocked  map[uuid.UUID]string
	points   []identity.Points // tables of points: nearly always one for all
	// histories that tokens are of, by number.
	histories []uuid.UUID
	// disowned: what came up to disownedTo is of what the server has lost.
	disowned   bool
	disownedTo uint32
	listBegun  uint32 // seq when a list last began

	rules     Rules
	left      left
	follow    *following
	seen      atomic.Pointer[Local] // when LocalChanged last looked
	groups    map[uuid.UUID]*group
	groupName map[identity.Name]*group
	groupGID  map[uint32]*group
	numbered  []*group // by number; nil: gone
	spare     []uint32 // numbers that no account was packed with; others are not used again in one era
	onDemand  map[uuid.UUID]*group
	era       uint32   // grows with reset
	waiting   bool     // some group was refused for what another holds
	emptied   []*group // left by their last member, until sweep

	uids  bindings
	gids  bindings
	dirty change
	seq   uint32
}

// New makes an empty directory, which takes what the rules allow.
func New(r Rules) *Directory {
	if r.Ahead == nil {
		r.Ahead = foremost{}
	}
	x := &Directory{seed: maphash.MakeSeed(), rules: r, follow: newFollowing()}
	x.reset()
	return x
}

// reset empties it; the caller holds the lock or is alone.
func (x *Directory) reset() {
	x.accounts, x.vacant = nil, nil
	x.byUUID, x.byName, x.byUID, x.byOwn = table{}, table{}, table{}, table{}
	x.blocked, x.points, x.histories = map[uuid.UUID]string{}, nil, nil
	x.groups, x.groupName, x.groupGID = map[uuid.UUID]*group{}, map[identity.Name]*group{}, map[uint32]*group{}
	// Whoever still holds an entry must not find another group under its numbers.
	x.numbered, x.spare, x.era = nil, nil, x.era+1
	x.onDemand = map[uuid.UUID]*group{}
	x.uids, x.gids = newBindings(), newBindings()
	x.dirty = change{visible: true, lost: true}
}

// change is what changed in the eyes of programs.
type change struct {
	visible bool
	lost    bool // someone lost something
}

// takeDirty returns what changed since the last time.
func (x *Directory) takeDirty() change {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.dirty
	x.dirty = change{}
	return s
}

func (x *Directory) hashUUID(n uint32) uint64 { return maphash.Comparable(x.seed, x.accounts[n].uuid) }

func (x *Directory) hashOwn(n uint32) uint64 { return maphash.Comparable(x.seed, x.accounts[n].own) }

func (x *Directory) hashUID(n uint32) uint64 { return maphash.Comparable(x.seed, x.accounts[n].uid) }

func (x *Directory) hashName(n uint32) uint64 {
	return maphash.String(x.seed, string(x.accounts[n].Name()))
}

func (x *Directory) number(id uuid.UUID) (uint32, bool) {
	return x.byUUID.find(maphash.Comparable(x.seed, id), func(n uint32) bool { return x.accounts[n].uuid == id })
}

// ownedBy finds the account into which the group is folded.
func (x *Directory) ownedBy(group uuid.UUID) (uint32, bool) {
	return x.byOwn.find(maphash.Comparable(x.seed, group), func(n uint32) bool { return x.accounts[n].own == group })
}

func (x *Directory) atUUID(id uuid.UUID) *Packed {
	if n, ok := x.number(id); ok {
		return x.accounts[n]
	}
	return nil
}

func (x *Directory) atName(name identity.Name) *Packed {
	n, ok := x.byName.find(maphash.String(x.seed, string(name)), func(n uint32) bool { return x.accounts[n].Name() == name })
	if !ok {
		return nil
	}
	return x.accounts[n]
}

func (x *Directory) atUID(uid uint32) *Packed {
	n, ok := x.byUID.find(maphash.Comparable(x.seed, uid), func(n uint32) bool { return x.accounts[n].uid == uid })
	if !ok {
		return nil
	}
	return x.accounts[n]
}

// put inserts or replaces an account; the caller holds the lock and has checked
// that name and uid are free.
func (x *Directory) put(e *Entry, groups []identity.Group) *Packed {
	x.seq++
	e.seq = x.seq
	n, had := x.number(e.account.UUID)
	fold := x.folds(e.account, groups)
	if had && x.accounts[n].own != uuid.Nil && (!fold || x.accounts[n].own != groups[0].UUID) {
		x.unfold(n)
		fold = false
	}
	var was *Packed
	if had {
		was = x.accounts[n]
	}
	others := groups
	if fold {
		others = groups[1:]
	}
	list := make([]uint32, 0, len(others))
	for _, g := range others {
		in := x.intern(g, e.revision)
		in.packed = true
		if !slices.Contains(list, in.number) {
			list = append(list, in.number)
		}
	}
	is := pack(e, x.tableOf(e.points), x.historyNumber(e.history), list)
	if fold {
		is.own = groups[0].UUID
	}
	n = x.place(n, was, is)
	x.regroup(n, was, list, is.own)
	delete(x.blocked, is.uuid)
	x.uids.drop(is.uuid)
	if fold {
		x.gids.drop(is.own)
	}
	return is
}

// tableOf is the number of a realm's table of points.
func (x *Directory) tableOf(p identity.Points) int {
	at := slices.IndexFunc(x.points, func(o identity.Points) bool { return slices.Equal(o, p) })
	if at < 0 {
		at = len(x.points)
		x.points = append(x.points, slices.Clone(p))
	}
	return at
}

// place puts an account under its number, or under a new one when there was none,
// and into the tables.
func (x *Directory) place(n uint32, was, is *Packed) uint32 {
	switch {
	case was != nil:
		x.leave(n)
	case len(x.vacant) > 0:
		last := len(x.vacant) - 1
		n, x.vacant = x.vacant[last], x.vacant[:last]
	default:
		n = uint32(len(x.accounts)) //nolint:gosec // memory ends before
		x.accounts = append(x.accounts, nil)
	}
	x.accounts[n] = is
	x.byUUID.add(n, x.hashUUID)
	x.byName.add(n, x.hashName)
	x.byUID.add(n, x.hashUID)
	if is.own != uuid.Nil {
		x.byOwn.add(n, x.hashOwn)
	}
	if was != nil && was.own != uuid.Nil && was.Name() != is.Name() {
		x.release() // its own group had the old name
	}
	return n
}

// leave takes a number out of the tables.
func (x *Directory) leave(n uint32) {
	x.byUUID.drop(n, x.hashUUID)
	x.byName.drop(n, x.hashName)
	x.byUID.drop(n, x.hashUID)
	if x.accounts[n].own != uuid.Nil {
		x.byOwn.drop(n, x.hashOwn)
	}
}

// regroup brings the groups' members from what was to what is, and notes what
// that changes for programs; was may be nil.
func (x *Directory) regroup(n uint32, was *Packed, list []uint32, own uuid.UUID) {
	is := x.accounts[n]
	var before []uint32
	if was != nil {
		before = was.numbers()
	}
	if was == nil || was.Account() != is.Account() || was.own != own {
		x.dirty.visible = true
	}
	for _, g := range list {
		if !slices.Contains(before, g) {
			x.dirty.visible = true
			x.numbered[g].members = append(x.numbered[g].members, n)
		}
	}
	for _, g := range before {
		if !slices.Contains(list, g) {
			x.dirty.lost = true
			x.numbered[g].without(n, x)
		}
	}
	if was != nil && was.state == identity.Active && is.state != identity.Active {
		x.dirty.lost = true
	}
	x.sweep()
}

// block marks an account that a newer token was refused for. It takes over that
// token's revision: what is older can no longer lift it.
func (x *Directory) block(id uuid.UUID, revision uint64, why string) {
	n, ok := x.number(id)
	if !ok {
		return
	}
	c := *x.accounts[n]
	c.blocked, c.revision = true, revision
	x.accounts[n], x.blocked[id] = &c, why
	x.dirty.lost = true
}

// Remove takes an account out. Its numbers stay its own.
func (x *Directory) Remove(id uuid.UUID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, ok := x.number(id)
	if !ok {
		return
	}
	p := x.accounts[n]
	for _, g := range p.numbers() {
		x.numbered[g].without(n, x)
	}
	x.leave(n)
	x.accounts[n] = nil
	x.vacant = append(x.vacant, n)
	delete(x.blocked, id)
	x.uids.set(p.uid, p.uuid)
	if p.own != uuid.Nil {
		x.gids.set(p.gid, p.own)
		x.release()
	}
	x.sweep()
	x.dirty.lost = true
}

// unpack is the entry of an account; the caller holds the lock.
func (x *Directory) unpack(p *Packed) *Entry {
	if p == nil {
		return nil
	}
	e := p.Entry()
	e.era, e.points, e.history = x.era, x.points[p.table()], x.historyOf(p)
	if p.blocked {
		e.blocked = x.blocked[p.uuid]
	}
	return e
}

// Bind notes that a number belongs to somebody, for good. An owner that it has already
// keeps it.
func (x *Directory) Bind(b Binding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b.Group {
		x.gids.set(b.ID, b.UUID)
	} else {
		x.uids.set(b.ID, b.UUID)
	}
}

// Forget takes an account out as if it had never been seen, and its own group's number.
func (x *Directory) Forget(id, own uuid.UUID) {
	x.Remove(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	if g := x.onDemand[own]; g != nil {
		x.unmark(g, true)
	}
	x.uids.drop(id)
	x.gids.drop(own)
}

// Clear forgets everything.
func (x *Directory) Clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reset()
}

// Fit gives back what loading took and is not needed.
func (x *Directory) Fit() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.uids, x.gids = x.uids.fitted(), x.gids.fitted()
	x.accounts = slices.Clip(slices.Clone(x.accounts))
	for _, g := range x.groups {
		g.members = slices.Clip(slices.Clone(g.members))
	}
}
