package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// found is what is remembered of a group because somebody asked for it, whether an
// account that is known here is in it or not.
type found struct {
	fetched int64        // Unix seconds
	answers uint64       // how many answers of the server it was taken from
	asked   atomic.Int64 // Unix nanoseconds
}

// markFound remembers the group as asked for, now or, with no time, before; the caller
// holds the index's lock.
func (x *index) markFound(g *group, fetched, asked time.Time) {
	if g.found == nil {
		g.found, x.found[g.UUID] = new(found), g
		x.stirred.visible = x.stirred.visible || g.problem == "" && len(g.members) == 0
	}
	g.found.fetched = fetched.Unix()
	g.found.answers++
	if !asked.IsZero() {
		g.found.touch(asked)
	}
}

// touch notes a question. What is noted never goes back.
func (f *found) touch(at time.Time) {
	for {
		was := f.asked.Load()
		if at.UnixNano() <= was || f.asked.CompareAndSwap(was, at.UnixNano()) {
			return
		}
	}
}

// unmark forgets that the group was asked for; with lost the realm has it no more.
func (x *index) unmark(g *group, lost bool) {
	if g.found == nil {
		return
	}
	g.found = nil
	delete(x.found, g.UUID)
	if len(g.members) > 0 {
		return // its members' tokens name it
	}
	if g.problem == "" {
		x.stirred.visible, x.stirred.lost = true, x.stirred.lost || lost
	}
	x.emptied = append(x.emptied, g)
	x.sweep()
}

// crowdOut forgets the groups that were asked for longest ago until no more than
// policy's MaxGroups are left, and returns them; never this one. Those that policy names stay: what
// the realm showed of them must not end because a crowd asks for others. Who reads a
// group from the published file asks nobody, and does not count. The caller holds the
// index's lock.
func (d *Daemon) crowdOut(but uuid.UUID) (gone []uuid.UUID) {
	x := d.index
	for len(x.found) > d.p.MaxGroups {
		var oldest *group
		for _, g := range x.found {
			if g.UUID != but && !d.namedByPolicy(g.UUID) && (oldest == nil || g.found.asked.Load() < oldest.found.asked.Load()) {
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

// namedByPolicy tells whether somebody's rights here hang on the group.
func (d *Daemon) namedByPolicy(id uuid.UUID) bool {
	if slices.Contains(d.p.AllowGroups, id) {
		return true
	}
	for _, of := range d.p.LocalGroups {
		if of == id {
			return true
		}
	}
	for _, s := range d.p.Services {
		if slices.Contains(s.Require, id) {
			return true
		}
	}
	return false
}

// learnGroup takes over what the server just said of one group, as learn does of
// accounts. It never makes anybody a member. Without a time nobody asked: it is fetched
// anew, and taken if it is still remembered.
func (d *Daemon) learnGroup(r provider.GroupRecord, asked time.Time) {
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	if r.Token != nil {
		d.absent.drop(groupKey(r.Token.Group.Name), gidKey(r.Token.Group.GID))
	}
	d.storeGroups(d.takeGroup(r, d.clock.now(), asked))
}

// forgetGroup takes a group that the server does not have out; it stays known while
// an account names it.
func (d *Daemon) forgetGroup(id uuid.UUID) {
	d.writing.Lock()
	defer d.writing.Unlock()
	defer d.restand()
	d.index.mu.Lock()
	g := d.index.found[id]
	if g != nil {
		d.index.unmark(g, true)
	}
	d.index.mu.Unlock()
	if g != nil {
		d.storeGroups(cache.Batch{Ungroup: []uuid.UUID{id}})
	}
}

// storeGroups announces what the index has, and then stores it.
func (d *Daemon) storeGroups(b cache.Batch) {
	d.announce() // before the disk, as learn does
	if len(b.Groups)+len(b.Ungroup) == 0 {
		return
	}
	b.Realm = d.o.Realm
	if err := d.o.Cache.Apply(d.base, b); err != nil {
		d.holdBack.Store(true)
		d.log.Error("what the server said of a group is not stored and will be asked again", "error", err)
	}
}

// takeGroup puts one group into the index, and returns what the cache must store.
func (d *Daemon) takeGroup(r provider.GroupRecord, now, asked time.Time) (b cache.Batch) {
	x, t := d.index, r.Token
	x.mu.Lock()
	defer x.mu.Unlock()
	id := t.Group.UUID
	if why := d.admitGroup(t); why != "" || r.Signed == nil {
		d.log.Warn("group refused", "group", string(t.Group.Name), "uuid", id, "reason", why)
		d.refusedGroups.set(id, "group "+t.Group.Name, cmp.Or(why, "it is not signed"))
		if g := x.found[id]; g != nil {
			x.unmark(g, true)
			b.Ungroup = append(b.Ungroup, id)
		}
		return b
	}
	d.refusedGroups.set(id, "", "")
	// Whoever held its name or number by an older answer holds it no more.
	for _, o := range []*group{x.groupName[t.Group.Name], x.groupGID[t.Group.GID]} {
		if o != nil && o.UUID != id && o.found != nil {
			b.Ungroup = append(b.Ungroup, o.UUID)
			x.unmark(o, true)
		}
	}
	if asked.IsZero() && x.found[id] == nil {
		return b // it was forgotten meanwhile
	}
	revision := t.Revision
	if g := x.groups[id]; g != nil {
		revision = max(revision, g.revision) // it was fetched just now: nothing is newer
	}
	g := x.intern(t.Group, revision, d.allowedID)
	x.markFound(g, now, asked)
	if g.problem == "" && x.gids.set(g.GID, g.UUID) {
		b.IDs = append(b.IDs, cache.ID{Kind: cache.GID, ID: g.GID, UUID: g.UUID})
	}
	b.Groups = append(b.Groups, cache.Group{UUID: id, Signed: r.Signed, Fetched: now, Asked: time.Unix(0, g.found.asked.Load())})
	b.Ungroup = append(b.Ungroup, d.crowdOut(id)...)
	return b
}

// admitGroup tells why a group's token is not taken; "" when it is. Numbers out of
// range, and what is another's, are judged by intern, as for groups of accounts.
func (d *Daemon) admitGroup(t *identity.GroupToken) string {
	if err := t.Validate(); err != nil {
		return err.Error()
	}
	if t.Realm != d.o.Realm {
		return fmt.Sprintf("it is of realm %q", t.Realm)
	}
	if !d.naming(d.p.QualifiedGroups).Has(t.Group.Name) {
		return formRefused
	}
	return ""
}

// aged is a group to fetch anew.
type aged struct {
	identity.Group
	fetched time.Time
	answers uint64
}

// answered tells whether the server has answered for the group since, or it is gone.
func (x *index) answered(g aged) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	now := x.found[g.UUID]
	return now == nil || now.found.answers != g.answers
}

// allFound copies the groups that were asked for.
func (x *index) allFound() []aged {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]aged, 0, len(x.found))
	for g := range maps.Values(x.found) {
		list = append(list, aged{g.Group, time.Unix(g.found.fetched, 0), g.found.answers})
	}
	return list
}
