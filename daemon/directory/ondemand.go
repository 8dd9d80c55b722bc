package directory

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// onDemand is what is remembered of a group because somebody asked for it, whether an
// account that is known here is in it or not.
type onDemand struct {
	fetched int64        // Unix seconds
	answers uint64       // how many answers of the server it was taken from
	asked   atomic.Int64 // Unix nanoseconds
}

// markOnDemand remembers the group as asked for, now or, with no time, before; the caller
// holds the index's lock.
func (x *Directory) markOnDemand(g *group, fetched, asked time.Time) {
	if g.onDemand == nil {
		g.onDemand, x.onDemand[g.UUID] = new(onDemand), g
		x.dirty.visible = x.dirty.visible || g.problem == "" && len(g.members) == 0
	}
	g.onDemand.fetched = fetched.Unix()
	g.onDemand.answers++
	if !asked.IsZero() {
		g.onDemand.touch(asked)
	}
}

// touch notes a question. What is noted never goes back.
func (f *onDemand) touch(at time.Time) {
	for {
		was := f.asked.Load()
		if at.UnixNano() <= was || f.asked.CompareAndSwap(was, at.UnixNano()) {
			return
		}
	}
}

// unmark forgets that the group was asked for; with lost the realm has it no more.
func (x *Directory) unmark(g *group, lost bool) {
	if g.onDemand == nil {
		return
	}
	g.onDemand = nil
	delete(x.onDemand, g.UUID)
	if len(g.members) > 0 {
		return // its members' tokens name it
	}
	if g.problem == "" {
		x.dirty.visible, x.dirty.lost = true, x.dirty.lost || lost
	}
	x.emptied = append(x.emptied, g)
	x.sweep()
}

// evict forgets the groups that were asked for longest ago until no more than
// MaxGroups are left, and returns them; never this one. Those that policy names stay: what
// the realm showed of them must not end because a crowd asks for others. Who reads a
// group from the published file asks nobody, and does not count. The caller holds the
// lock.
func (x *Directory) evict(but uuid.UUID) (gone []uuid.UUID) {
	for len(x.onDemand) > x.rules.MaxGroups {
		var oldest *group
		for _, g := range x.onDemand {
			if g.UUID != but && !x.rules.Keep(g.UUID) && (oldest == nil || g.onDemand.asked.Load() < oldest.onDemand.asked.Load()) {
				oldest = g
			}
		}
		if oldest == nil {
			return gone // policy names them all
		}
		gone = append(gone, oldest.UUID)
		x.unmark(oldest, false)
	}
	return gone
}

// AppliedGroup is what became of a group's token.
type AppliedGroup struct {
	// Known is false when nobody asked for the group, and it was forgotten meanwhile.
	Known bool
	// Asked is when it was last asked for.
	Asked time.Time
	// Bindings are numbers that were first seen with it.
	Bindings []Binding
	// Gone are groups that are not remembered any more.
	Gone []uuid.UUID
}

// ApplyGroup puts one group, which AdmitGroup has nothing against, into the directory.
// It makes nobody a member. Without a time nobody asked: it is taken if it is still
// remembered.
func (x *Directory) ApplyGroup(t *identity.GroupToken, now, asked time.Time) (did AppliedGroup) {
	x.mu.Lock()
	defer x.mu.Unlock()
	id := t.Group.UUID
	// Whoever held its name or number by an older answer holds it no more.
	for _, o := range []*group{x.groupName[t.Group.Name], x.groupGID[t.Group.GID]} {
		if o != nil && o.UUID != id && o.onDemand != nil {
			did.Gone = append(did.Gone, o.UUID)
			x.unmark(o, true)
		}
	}
	if asked.IsZero() && x.onDemand[id] == nil {
		return did
	}
	revision := t.Revision
	if g := x.groups[id]; g != nil {
		revision = max(revision, g.revision) // it was fetched just now: nothing is newer
	}
	g := x.intern(t.Group, revision)
	x.markOnDemand(g, now, asked)
	if g.problem == "" && x.gids.set(g.GID, g.UUID) {
		did.Bindings = append(did.Bindings, Binding{Group: true, ID: g.GID, UUID: g.UUID})
	}
	did.Known, did.Asked = true, time.Unix(0, g.onDemand.asked.Load())
	did.Gone = append(did.Gone, x.evict(id)...)
	return did
}

// LoadGroup takes a group that was remembered.
func (x *Directory) LoadGroup(t *identity.GroupToken, fetched, asked time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.markOnDemand(x.intern(t.Group, t.Revision), fetched, asked)
}

// EvictGroups forgets what is too many, and returns it.
func (x *Directory) EvictGroups() (gone []uuid.UUID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.evict(uuid.Nil)
}

// ForgetGroup forgets that a group was asked for, for the realm has it no more; it stays
// known while an account names it. It tells whether it was remembered.
func (x *Directory) ForgetGroup(id uuid.UUID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	g := x.onDemand[id]
	if g == nil {
		return false
	}
	x.unmark(g, true)
	return true
}

// Questioned notes that somebody asks for the group now. Of one that was asked for and has
// no member it tells when it was fetched; others are as old as the directory.
func (x *Directory) Questioned(id uuid.UUID, now time.Time) (fetched time.Time, alone bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g := x.onDemand[id]
	if g == nil {
		return time.Time{}, false
	}
	g.onDemand.touch(now)
	if len(g.members) > 0 {
		return time.Time{}, false
	}
	return time.Unix(g.onDemand.fetched, 0), true
}

// OnDemand is a group that is remembered because somebody asked for it.
type OnDemand struct {
	identity.Group
	fetched time.Time
	answers uint64
}

// Fetched is when the group came.
func (a OnDemand) Fetched() time.Time { return a.fetched }

// Answered tells whether the server has answered for the group since, or it is gone.
func (x *Directory) Answered(g OnDemand) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	now := x.onDemand[g.UUID]
	return now == nil || now.onDemand.answers != g.answers
}

// OnDemand copies the groups that were asked for.
func (x *Directory) OnDemand() []OnDemand {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]OnDemand, 0, len(x.onDemand))
	for g := range maps.Values(x.onDemand) {
		list = append(list, OnDemand{g.Group, time.Unix(g.onDemand.fetched, 0), g.onDemand.answers})
	}
	return list
}
