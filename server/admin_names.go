package server

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// mayAdd refuses a name that is reserved, and an id that the realm does not allot: a
// machine takes none that lies elsewhere, unless its administrator says so. An id of
// zero is to be allotted.
func (s *admin) mayAdd(name identity.Name, id uint32) error {
	if err := identity.ReservedName(name, s.settings.Reserved...); err != nil {
		return err
	}
	if id == 0 {
		return nil
	}
	if err := identity.CheckID(id); err != nil {
		return err
	}
	if !s.IDs.Contains(id) {
		return fmt.Errorf("%w: %d lies outside the realm's range %s, so machines would refuse it; leave it out to have one allotted", identity.ErrID, id, s.IDs)
	}
	return nil
}

// newName is one that an account or a group may get.
func (s *admin) newName(name string) (identity.Name, error) {
	n, err := identity.ParseShortName(name)
	if err == nil {
		err = s.mayAdd(n, 0)
	}
	return n, err
}

// warnReserved names accounts and groups that were added before their names were
// reserved. They stay; machines refuse the accounts and leave out the groups.
func (r *realm) warnReserved(ctx context.Context) error {
	return r.store.Read(ctx, func(tx *store.Tx) error {
		accounts, err := tx.Accounts()
		if err != nil {
			return err
		}
		groups, err := tx.Groups()
		if err != nil {
			return err
		}
		var names []identity.Name
		for _, a := range accounts {
			names = append(names, a.Name)
		}
		for _, g := range groups {
			names = append(names, g.Name)
		}
		for _, n := range names {
			if err := identity.ReservedName(n, r.settings.Reserved...); err != nil {
				r.log.WarnContext(ctx, "an account or group has a reserved name, so machines do not take it: give it another with \"account set NAME --name NEW\" or \"group set NAME --name NEW\"", "name", string(n), "reason", identity.ReservedWhy(err))
			}
		}
		return nil
	})
}
