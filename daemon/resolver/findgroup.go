package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Finder is the provider, where it can be asked for groups: one that lists its realm
// has named all that are answered.
func (d *Resolver) Finder() (provider.GroupFinder, bool) {
	lists, _ := d.Capable()
	f := d.o.Provider.GroupFinder
	return f, f != nil && !lists
}

// groupQuestion is one way to ask for a group.
type groupQuestion struct {
	key   string
	look  func(directory.Local) (identity.GroupEntry, bool)
	fetch func(context.Context) (provider.GroupRecord, error)
	fits  func(identity.Group) bool
	// holds tells whether the group is what was asked for, as far as is known here.
	holds func() (uuid.UUID, bool)
}

func (d *Resolver) groupByName(name identity.Name) groupQuestion {
	f, _ := d.Finder()
	return groupQuestion{
		key:   groupKey(name),
		look:  func(l directory.Local) (identity.GroupEntry, bool) { return d.index.GroupNamed(name, l) },
		fetch: func(ctx context.Context) (provider.GroupRecord, error) { return f.FetchGroup(ctx, name) },
		fits:  func(g identity.Group) bool { return g.Name == name },
		holds: func() (uuid.UUID, bool) { return d.index.GroupHeld(name) },
	}
}

func (d *Resolver) groupByGID(gid uint32) groupQuestion {
	f, _ := d.Finder()
	return groupQuestion{
		key:   gidKey(gid),
		look:  func(l directory.Local) (identity.GroupEntry, bool) { return d.index.GroupAt(gid, l) },
		fetch: func(ctx context.Context) (provider.GroupRecord, error) { return f.FetchGID(ctx, gid) },
		fits:  func(g identity.Group) bool { return g.GID == gid },
		holds: func() (uuid.UUID, bool) { return d.index.GidHeld(gid) },
	}
}

// fetchGroup asks the server, once for all who ask the same at the same time. With
// forget a group that is known under that name or number, and that the server does
// not have, is taken out.
func (d *Resolver) fetchGroup(ctx context.Context, q groupQuestion, forget bool) error {
	key := q.key
	if !forget {
		key = "again " + key
	}
	return flight(ctx, d, key, q.fetch,
		func(r provider.GroupRecord) bool { return r.Token != nil && q.fits(r.Token.Group) },
		func(provider.GroupRecord) error {
			if !forget {
				return nil
			}
			if id, ok := q.holds(); ok {
				d.forgetGroup(id)
			}
			return nil
		},
		func(r provider.GroupRecord) error {
			asked := d.clock.Now()
			if !forget {
				asked = time.Time{} // nobody did
			}
			d.ApplyGroup(r, asked)
			return nil
		})
}

// group answers for a group. Where the provider can be asked, what is not known is
// looked up like an account. Where it cannot, what no token
// names exists only for others, and while the list is not whole we do not know.
func (d *Resolver) group(ctx context.Context, q groupQuestion, hidden func(directory.Local) bool) (identity.GroupEntry, error) {
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
	if _, asks := d.Finder(); !asks {
		return none, d.groupUnknown()
	}
	missing := identity.ErrUnavailable
	if known {
		missing = errLapsed
	}
	if d.link.JustFailed() {
		return none, missing
	}
	err = d.unlessAbsent(q.key, func(ctx context.Context) error { return d.fetchGroup(ctx, q, true) })(ctx)
	if g, known = q.look(l); known && !d.lapsed(d.groupChecked(g.UUID)) {
		return servedGroup(g, l)
	}
	if err == nil || errors.Is(err, provider.ErrNotFound) {
		return none, identity.ErrNotFound // there is none, or it is refused here
	}
	return none, fmt.Errorf("%w: %w", missing, err)
}

// groupUnknown is the answer for what no token names, where nobody can be asked.
func (d *Resolver) groupUnknown() error {
	if d.lapsed(d.LastContact()) {
		return errLapsed
	}
	lists, _ := d.Capable()
	if !d.kept.Load().Complete && (lists || d.link.Now() != Online) {
		return identity.ErrUnavailable
	}
	return identity.ErrNotFound
}

// groupChecked is when the group was last known to be right, and notes the question.
func (d *Resolver) groupChecked(id uuid.UUID) time.Time {
	if fetched, alone := d.index.Questioned(id, d.clock.Now()); alone {
		return fetched
	}
	return d.LastContact()
}

// refreshGroup fetches one group anew: by its number, under which one that was
// renamed is found, and else by its name, under which one that was renumbered is. It
// is gone when the server has it under neither.
func (d *Resolver) refreshGroup(ctx context.Context, g directory.OnDemand) error {
	for _, q := range []groupQuestion{d.groupByGID(g.GID), d.groupByName(g.Name)} {
		if err := d.fetchGroup(ctx, q, false); err != nil && !errors.Is(err, provider.ErrNotFound) {
			return err
		}
		if d.index.Answered(g) {
			return nil
		}
	}
	d.forgetGroup(g.UUID)
	return nil
}
