package daemon

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// entry is what a decision needs of one token. It does not change once it is in
// the index: a new token makes a new entry. Keys stay in the cache.
type entry struct {
	account    identity.Account
	state      identity.State
	validFrom  int64
	validUntil int64
	offlineFor uint32
	revision   uint64
	factors    []identity.Factor
	keys       int
	fetched    time.Time
	seq        uint64   // order of arrival
	groups     []*group // in the token's order; their fields need the index's lock
	// blocked says why a newer token was refused: this one is out of date, and
	// good for naming the account, not for letting it in.
	blocked string
}

func newEntry(t *identity.IDToken, fetched time.Time) *entry {
	return &entry{
		account: t.Account, state: t.State, validFrom: t.ValidFrom, validUntil: t.ValidUntil,
		offlineFor: t.OfflineFor, revision: t.Revision, factors: slices.Clone(t.Factors),
		keys: len(t.SSHKeys), fetched: fetched,
	}
}

func (e *entry) standingAt(now time.Time) identity.Standing {
	t := identity.IDToken{State: e.state, ValidFrom: e.validFrom, ValidUntil: e.validUntil}
	return t.StandingAt(now)
}

func (e *entry) epoch(kind identity.FactorKind) (uint64, bool) {
	t := identity.IDToken{Factors: e.factors}
	return t.FactorEpoch(kind)
}

// group is shared by all its members' entries.
type group struct {
	identity.Group
	revision uint64 // of the token that it was last taken from
	members  []*entry
	// problem says why the group is not served; "" when it is.
	problem string
}

// index holds every account and group in memory. The lock is held for moments:
// never across the network or the database.
type index struct {
	mu        sync.RWMutex
	byUUID    map[uuid.UUID]*entry
	byName    map[identity.Name]*entry
	byUID     map[uint32]*entry
	groups    map[uuid.UUID]*group
	groupName map[identity.Name]*group
	groupGID  map[uint32]*group
	uids      pins
	gids      pins
	emptied   []*group // by unlink, until sweep
	stirred   stirred
	seq       uint64
}

// pins remember which number belongs to whom, also when its owner is gone.
type pins struct {
	owner map[uint32]uuid.UUID
	of    map[uuid.UUID]uint32
}

func newPins() pins {
	return pins{owner: make(map[uint32]uuid.UUID), of: make(map[uuid.UUID]uint32)}
}

// check tells why id cannot be who's; "" when it can.
func (p pins) check(what string, id uint32, who uuid.UUID) string {
	if o, ok := p.owner[id]; ok && o != who {
		return fmt.Sprintf("%s %d was first seen for %s", what, id, o)
	}
	if was, ok := p.of[who]; ok && was != id {
		return fmt.Sprintf("%s was first seen as %d and is now %d", what, was, id)
	}
	return ""
}

func (p pins) set(id uint32, who uuid.UUID) (isNew bool) {
	if _, ok := p.owner[id]; ok {
		return false
	}
	p.owner[id], p.of[who] = who, id
	return true
}

func (p pins) drop(who uuid.UUID) {
	if id, ok := p.of[who]; ok {
		delete(p.owner, id)
		delete(p.of, who)
	}
}

// stirred is what changed in the eyes of programs.
type stirred struct {
	visible bool
	lost    bool // someone lost something
}

// settle returns what was stirred up since the last time.
func (x *index) settle() stirred {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.stirred
	x.stirred = stirred{}
	return s
}

// compare notes what a new token changes for programs; was may be nil.
func (x *index) compare(was, is *entry) {
	if was == nil || was.account != is.account || len(was.groups) != len(is.groups) {
		x.stirred.visible = true
	}
	if was == nil {
		return
	}
	for _, g := range is.groups {
		if !slices.Contains(was.groups, g) {
			x.stirred.visible = true
		}
	}
	for _, g := range was.groups {
		if !slices.Contains(is.groups, g) {
			x.stirred.lost = true
		}
	}
	if was.state == identity.Active && is.state != identity.Active {
		x.stirred.lost = true
	}
}

func newIndex() *index {
	x := new(index)
	x.reset()
	return x
}

// reset empties it; the caller holds the lock or is alone.
func (x *index) reset() {
	x.byUUID, x.byName, x.byUID = map[uuid.UUID]*entry{}, map[identity.Name]*entry{}, map[uint32]*entry{}
	x.groups, x.groupName, x.groupGID = map[uuid.UUID]*group{}, map[identity.Name]*group{}, map[uint32]*group{}
	x.uids, x.gids = newPins(), newPins()
	x.stirred = stirred{visible: true, lost: true}
}

// put inserts or replaces an account; the caller holds the lock and has checked
// that name and uid are free.
func (x *index) put(e *entry, groups []identity.Group, allowed func(gid uint32) bool) {
	x.seq++
	e.seq = x.seq
	was := x.byUUID[e.account.UUID]
	x.unlink(was)
	e.groups = make([]*group, 0, len(groups))
	for _, g := range groups {
		in := x.intern(g, e.revision, allowed)
		if slices.Contains(e.groups, in) {
			continue
		}
		in.members = append(in.members, e)
		e.groups = append(e.groups, in)
	}
	x.sweep()
	x.compare(was, e)
	x.byUUID[e.account.UUID], x.byName[e.account.Name], x.byUID[e.account.UID] = e, e, e
}

// block puts a copy with the reason in the place of an entry. It takes over the
// refused token's revision: what is older than that can no longer lift it.
func (x *index) block(e *entry, revision uint64, why string) {
	x.stirred.lost = true
	c := *e
	c.blocked, c.revision = why, revision
	for _, g := range e.groups {
		if i := slices.Index(g.members, e); i >= 0 {
			g.members[i] = &c
		}
	}
	x.byUUID[c.account.UUID], x.byName[c.account.Name], x.byUID[c.account.UID] = &c, &c, &c
}

// unlink takes an account out. Its groups stay until sweep.
func (x *index) unlink(e *entry) {
	if e == nil {
		return
	}
	delete(x.byUUID, e.account.UUID)
	delete(x.byName, e.account.Name)
	delete(x.byUID, e.account.UID)
	for _, g := range e.groups {
		if i := slices.Index(g.members, e); i >= 0 {
			last := len(g.members) - 1
			g.members[i], g.members[last] = g.members[last], nil
			g.members = g.members[:last]
		}
		if len(g.members) == 0 {
			x.emptied = append(x.emptied, g)
		}
	}
}

// sweep drops groups that were left by their last member.
func (x *index) sweep() {
	for _, g := range x.emptied {
		if len(g.members) > 0 || x.groups[g.UUID] != g {
			continue
		}
		delete(x.groups, g.UUID)
		x.free(g)
	}
	x.emptied = x.emptied[:0]
}

// free takes a group's name and number away, and lets a group that was refused
// for holding neither have them.
func (x *index) free(g *group) {
	held := false
	if x.groupName[g.Name] == g {
		delete(x.groupName, g.Name)
		held = true
	}
	if x.groupGID[g.GID] == g {
		delete(x.groupGID, g.GID)
		held = true
	}
	if !held {
		return
	}
	for _, other := range x.groups {
		if other.problem == problemHeld && (other.Name == g.Name || other.GID == g.GID) {
			x.claim(other)
		}
	}
}

const (
	problemHeld  = "its name or gid is another group's"
	problemRange = "its gid is outside this machine's range"
	problemMoved = "its gid changed, or was another group's"
)

// intern finds or makes the one group of that uuid, as its newest token has it.
func (x *index) intern(g identity.Group, revision uint64, allowed func(uint32) bool) *group {
	in := x.groups[g.UUID]
	switch {
	case in == nil:
		in = &group{Group: g, revision: revision}
		in.Demands = slices.Clone(g.Demands)
		x.groups[g.UUID] = in
	case revision < in.revision, in.Name == g.Name && in.GID == g.GID && slices.Equal(in.Demands, g.Demands):
		in.revision = max(in.revision, revision)
		return in
	default:
		x.free(in)
		x.stirred.visible = true
		in.Group, in.revision = g, revision
		in.Demands = slices.Clone(g.Demands)
	}
	was := in.problem
	switch {
	case !allowed(g.GID):
		in.problem = problemRange
	case x.gids.check("gid", g.GID, g.UUID) != "":
		in.problem = problemMoved
	default:
		x.claim(in)
	}
	x.stirred.lost = x.stirred.lost || (was == "" && in.problem != "")
	return in
}

// claim gives a group its name and number when both are free.
func (x *index) claim(g *group) {
	byName, byGID := x.groupName[g.Name], x.groupGID[g.GID]
	if (byName != nil && byName != g) || (byGID != nil && byGID != g) {
		g.problem = problemHeld
		return
	}
	x.stirred.visible = x.stirred.visible || g.problem != ""
	g.problem = ""
	x.groupName[g.Name], x.groupGID[g.GID] = g, g
}

func (x *index) remove(id uuid.UUID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.byUUID[id]; e != nil {
		x.stirred.lost = true
		x.unlink(e)
		x.sweep()
	}
}

func (x *index) named(n identity.Name) *entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.byName[n]
}

func (x *index) withUID(uid uint32) *entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.byUID[uid]
}

func (x *index) withUUID(id uuid.UUID) *entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.byUUID[id]
}

// all returns every entry, in no order.
func (x *index) all() []*entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*entry, 0, len(x.byUUID))
	for _, e := range x.byUUID {
		list = append(list, e)
	}
	return list
}

// membership is one group of an account, copied.
type membership struct {
	identity.Group
	problem string
}

// groupsOf copies an account's groups in the token's order.
func (x *index) groupsOf(e *entry) []membership {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]membership, 0, len(e.groups))
	for _, g := range e.groups {
		list = append(list, membership{g.Group, g.problem})
	}
	return list
}

// groupBy copies the served group that pick finds.
func (x *index) groupBy(pick func() *group) (identity.GroupEntry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g := pick()
	if g == nil || g.problem != "" {
		return identity.GroupEntry{}, false
	}
	return g.entry(), true
}

func (g *group) entry() identity.GroupEntry {
	e := identity.GroupEntry{Group: g.Group, Members: make([]identity.Name, 0, len(g.members))}
	for _, m := range g.members {
		e.Members = append(e.Members, m.account.Name)
	}
	slices.Sort(e.Members)
	return e
}

// groupIDs returns the uuids of all groups.
func (x *index) groupIDs() []uuid.UUID {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]uuid.UUID, 0, len(x.groups))
	for id := range x.groups {
		list = append(list, id)
	}
	return list
}

// problems copies the groups that are not served, and why.
func (x *index) problems() []membership {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []membership
	for _, g := range x.groups {
		if g.problem != "" {
			list = append(list, membership{g.Group, g.problem})
		}
	}
	return list
}

// eachID calls f with every number that an account or a group uses, or was ever
// seen with.
func (x *index) eachID(f func(uint32)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for id := range x.uids.owner {
		f(id)
	}
	for id := range x.gids.owner {
		f(id)
	}
	for _, g := range x.groups {
		f(g.GID)
	}
}
