package admin

import (
	"fmt"

	"github.com/sallyport-auth/sallyport/identity"
)

// mayAdd refuses a name that is reserved, and an id that the realm does not allot: a
// machine takes none that lies elsewhere, unless its administrator says so. An id of
// zero is to be allotted.
func (s *Admin) mayAdd(name identity.Name, id uint32) error {
	if err := identity.ReservedName(name, s.Settings.Reserved...); err != nil {
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
func (s *Admin) newName(name string) (identity.Name, error) {
	n, err := identity.ParseShortName(name)
	if err == nil {
		err = s.mayAdd(n, 0)
	}
	return n, err
}
