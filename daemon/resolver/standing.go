package resolver

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Revisions tells how often the directory changed. Read them before the view
// that is to be published: it is then at least as new.
func (d *Resolver) Revisions() identity.Revisions {
	rev, _ := d.index.Revisions()
	return rev
}

// Changed is sent to whenever a revision grew. It is for one follower; what it
// missed is one send.
func (d *Resolver) Changed() <-chan struct{} { return d.index.Changed() }

// announce counts what changes of the index have stirred up since the last time.
func (d *Resolver) announce() { d.index.Announce(d.o.Now()) }

// View returns what programs may know of the directory at this moment. What the
// local files have by name or id is left out, as every lookup leaves it out.
func (d *Resolver) View(ctx context.Context) (identity.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	l, err := d.local.Now()
	if err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	return d.index.View(l), nil
}

// DirectoryStanding tells how far the view may be trusted. An absent name is an
// answer while the list is complete and we have heard of the server since the
// start, be it that it cannot be reached.
func (d *Resolver) DirectoryStanding() identity.DirectoryStanding {
	s := identity.DirectoryStanding{Until: d.keptUntil(d.LastContact())}
	s.Absent = d.kept.Load().Complete && !d.Unstored() && d.link.Now() != starting && d.clock.Now().Before(s.Until)
	return s
}

// restand counts a changed standing.
func (d *Resolver) restand() { d.index.Stand(d.DirectoryStanding) }

// LastContact is when the directory was last known to be the server's.
func (d *Resolver) LastContact() time.Time {
	at := d.kept.Load().At
	if t := time.Unix(0, d.contactAt.Load()); t.After(at) {
		at = t
	}
	return at
}

// keptUntil is until when a name that was right at that time is answered.
func (d *Resolver) keptUntil(checked time.Time) time.Time {
	if d.p.KeepNames <= 0 {
		return identity.Forever()
	}
	return time.Unix(checked.Unix(), 0).Add(d.p.KeepNames)
}

// lapsed tells whether what was last right at that time is no longer answered
// from memory.
func (d *Resolver) lapsed(checked time.Time) bool {
	if d.p.KeepNames <= 0 || (d.link.watches && d.link.Now() == Online) {
		return false
	}
	return !d.clock.Now().Before(d.keptUntil(checked))
}
