package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
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
	b.Provider = d.o.Provider.Name()
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
	return ""
}

// finder is the provider, where it can be asked for groups: one that lists its realm
// has named all that are answered.
func (d *Daemon) finder() (provider.GroupFinder, bool) {
	lists, _ := d.capable()
	f, ok := d.o.Provider.(provider.GroupFinder)
	return f, ok && !lists
}

// groupQuestion is one way to ask for a group.
type groupQuestion struct {
	key   string
	look  func(local) (identity.GroupEntry, bool)
	fetch func(context.Context) (provider.GroupRecord, error)
	fits  func(identity.Group) bool
	// holds tells whether the group is what was asked for, as far as is known here.
	holds func(*index) *group
}

func (d *Daemon) groupByName(name identity.Name) groupQuestion {
	f, _ := d.finder()
	return groupQuestion{
		key:   "group " + string(name),
		look:  func(l local) (identity.GroupEntry, bool) { return d.index.groupNamed(name, l) },
		fetch: func(ctx context.Context) (provider.GroupRecord, error) { return f.FetchGroup(ctx, name) },
		fits:  func(g identity.Group) bool { return g.Name == name },
		holds: func(x *index) *group { return x.groupName[name] },
	}
}

func (d *Daemon) groupByGID(gid uint32) groupQuestion {
	f, _ := d.finder()
	return groupQuestion{
		key:   "gid " + strconv.FormatUint(uint64(gid), 10),
		look:  func(l local) (identity.GroupEntry, bool) { return d.index.groupAt(gid, l) },
		fetch: func(ctx context.Context) (provider.GroupRecord, error) { return f.FetchGID(ctx, gid) },
		fits:  func(g identity.Group) bool { return g.GID == gid },
		holds: func(x *index) *group { return x.groupGID[gid] },
	}
}

// fetchGroup asks the server, once for all who ask the same at the same time. With
// forget a group that is known under that name or number, and that the server does
// not have, is taken out.
func (d *Daemon) fetchGroup(ctx context.Context, q groupQuestion, forget bool) error {
	key := q.key
	if !forget {
		key = "again " + key
	}
	return flight(ctx, d, key, q.fetch,
		func(r provider.GroupRecord) bool { return r.Token != nil && q.fits(r.Token.Group) },
		func() error {
			if !forget {
				return nil
			}
			d.index.mu.RLock()
			g := q.holds(d.index)
			d.index.mu.RUnlock()
			if g != nil {
				d.forgetGroup(g.UUID)
			}
			return nil
		},
		func(r provider.GroupRecord) {
			asked := d.clock.now()
			if !forget {
				asked = time.Time{} // nobody did
			}
			d.learnGroup(r, asked)
		})
}

// group answers for a group. Where the provider can be asked, what is not known is
// looked up like an account: nothing remembers a no. Where it cannot, what no token
// names exists only for others, and while the list is not whole we do not know.
func (d *Daemon) group(ctx context.Context, q groupQuestion, hidden func(local) bool) (identity.GroupEntry, error) {
	none := identity.GroupEntry{}
	l, err := d.localNow()
	if err != nil {
		return none, err
	}
	if hidden(l) {
		return none, identity.ErrNotFound
	}
	g, known := q.look(l)
	if known && !d.lapsed(d.groupChecked(g.UUID)) {
		return servedGroup(g, l)
	}
	if _, asks := d.finder(); !asks {
		return none, d.groupUnknown()
	}
	missing := identity.ErrUnavailable
	if known {
		missing = errLapsed
	}
	if d.link.justFailed() {
		return none, missing
	}
	err = d.fetchGroup(ctx, q, true)
	if g, known = q.look(l); known && !d.lapsed(d.groupChecked(g.UUID)) {
		return servedGroup(g, l)
	}
	if err == nil || errors.Is(err, provider.ErrNotFound) {
		return none, identity.ErrNotFound // there is none, or it is refused here
	}
	return none, fmt.Errorf("%w: %w", missing, err)
}

// groupUnknown is the answer for what no token names, where nobody can be asked.
func (d *Daemon) groupUnknown() error {
	if d.lapsed(d.lastContact()) {
		return errLapsed
	}
	lists, _ := d.capable()
	if !d.kept.Load().Complete && (lists || d.link.now() != online) {
		return identity.ErrUnavailable
	}
	return identity.ErrNotFound
}

// groupChecked is when the group was last known to be right, and notes the question.
func (d *Daemon) groupChecked(id uuid.UUID) time.Time {
	x := d.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	g := x.found[id]
	if g == nil {
		return d.lastContact()
	}
	g.found.touch(d.clock.now())
	if len(g.members) > 0 {
		return d.lastContact()
	}
	return time.Unix(g.found.fetched, 0)
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

// refreshGroup fetches one group anew: by its number, under which one that was
// renamed is found, and else by its name, under which one that was renumbered is. It
// is gone when the server has it under neither.
func (d *Daemon) refreshGroup(ctx context.Context, g aged) error {
	for _, q := range []groupQuestion{d.groupByGID(g.GID), d.groupByName(g.Name)} {
		if err := d.fetchGroup(ctx, q, false); err != nil && !errors.Is(err, provider.ErrNotFound) {
			return err
		}
		if d.index.answered(g) {
			return nil
		}
	}
	d.forgetGroup(g.UUID)
	return nil
}
