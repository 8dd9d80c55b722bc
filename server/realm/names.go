package realm

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// WarnReserved names accounts and groups that were added before their names were
// reserved. They stay; machines refuse the accounts and leave out the groups.
func (r *Realm) WarnReserved(ctx context.Context) error {
	return r.Store.Read(ctx, func(tx *store.Tx) error {
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
			if err := identity.ReservedName(n, r.Settings.Reserved...); err != nil {
				r.Log.WarnContext(ctx, "an account or group has a reserved name, so machines do not take it: give it another with \"account set NAME --name NEW\" or \"group set NAME --name NEW\"", "name", string(n), "reason", identity.ReservedWhy(err))
			}
		}
		return nil
	})
}

// CommonPasswordsFile is the list of passwords that nobody may have; "" is the built-in one.
func (r *Realm) CommonPasswordsFile() string { return r.Dir.within(r.Settings.CommonPasswords) }
