package resolver

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// servedGroup hides a group that this machine has itself.
func servedGroup(g identity.GroupEntry, l directory.Local) (identity.GroupEntry, error) {
	if l.HidesGroup(g.Group) {
		return identity.GroupEntry{}, identity.ErrNotFound
	}
	return g, nil
}

// localNow is the local files' content, or identity.ErrUnavailable: then nobody
// can be told apart from a local account.
func (d *Resolver) localNow() (directory.Local, error) {
	l, err := d.local.Now()
	if err != nil {
		return directory.Local{}, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	return l, nil
}

// GroupsOf returns the ids of all groups of an account, its own first. Those that a
// session must earn are not among them, nor is what this machine gives their members.
func (d *Resolver) GroupsOf(ctx context.Context, name string) (identity.GroupIDs, error) {
	e, err := d.named(ctx, name)
	if err != nil {
		return identity.GroupIDs{}, err
	}
	l, err := d.localNow()
	if err != nil {
		return identity.GroupIDs{}, err
	}
	return d.index.GroupIDsOf(e, l), nil
}

// Accounts calls each for every account that is answered here, in no order.
func (d *Resolver) Accounts(ctx context.Context, each func(identity.Account) error) error {
	l, err := d.listable()
	if err != nil {
		return err
	}
	for _, p := range d.index.All() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		if l.HidesPacked(p) {
			continue
		}
		if err := each(p.Account()); err != nil {
			return err
		}
	}
	return nil
}

// Groups calls each for every group that is answered here, in no order.
func (d *Resolver) Groups(ctx context.Context, each func(identity.GroupEntry) error) error {
	l, err := d.listable()
	if err != nil {
		return err
	}
	return d.index.EachGroup(l, func(g identity.GroupEntry) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list groups: %w", err)
		}
		return each(g)
	})
}

// listable is the local files' content, once for a whole list.
func (d *Resolver) listable() (directory.Local, error) {
	if d.lapsed(d.LastContact()) {
		return directory.Local{}, errLapsed
	}
	return d.localNow()
}
