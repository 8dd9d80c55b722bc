package directory

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Rules are what this machine takes of a realm. Allowed must be set.
type Rules struct {
	Realm string
	// Users and Groups are the forms that names have.
	Users, Groups identity.Naming
	// Reserved are names that nothing of a realm may have, besides those of
	// identity.ReservedName.
	Reserved []string
	// Allowed tells whether this machine takes the number from a directory.
	Allowed func(id uint32) bool
	// LocalGroups are names of /etc/group; the members of the group with that uuid are
	// given them.
	LocalGroups map[string]uuid.UUID
	// MaxGroups are remembered because they were asked for; of more, those that were asked
	// for longest ago go first, but never one that Keep names.
	MaxGroups int
	Keep      func(group uuid.UUID) bool
	// Ahead are the realms that come first; nil: there are none.
	Ahead Ahead
}

// Ahead are the realms before one: a name or a group of theirs is not this one's.
type Ahead interface {
	// HasAccount tells whether the name stands for an account of theirs, as it is or as
	// another spelling.
	HasAccount(name identity.Name) bool
	// HasGroup is HasAccount for groups.
	HasGroup(name identity.Name) bool
	// Claims tells whether one of them has shown the group: what policy gives to its
	// members is not for those whom this realm puts into it.
	Claims(group uuid.UUID) bool
}

// foremost is the place of a realm that none comes before.
type foremost struct{}

func (foremost) HasAccount(identity.Name) bool { return false }
func (foremost) HasGroup(identity.Name) bool   { return false }
func (foremost) Claims(uuid.UUID) bool         { return false }

// What stands in the reasons of refusals, for whoever says what to do about them.
const (
	// heldPrefix begins the reasons that end when another account goes.
	HeldPrefix   = "another account holds its "
	OutsideRange = " is outside this machine's range, see [ids] allow in sallyportd.toml"
	formRefused  = "a name of it has another form than this machine's settings say"
)

// admit tells why a token is not taken; "" when it is. The caller holds the lock. Local
// names are judged when a question is asked, not here: the local files may change later.
func (x *Directory) admit(t *identity.IDToken) string {
	if t == nil {
		return "the server sent no token"
	}
	if err := t.Validate(); err != nil {
		return err.Error()
	}
	a := t.Account
	switch {
	case t.Groups[0].Earned:
		return "its own group is a strength-gated group"
	case t.Realm != x.rules.Realm:
		return fmt.Sprintf("it is of realm %q", t.Realm)
	case !x.hasForm(t):
		return formRefused
	case !x.rules.Allowed(a.UID):
		return fmt.Sprintf("uid %d"+OutsideRange, a.UID)
	case !x.rules.Allowed(a.GID):
		return fmt.Sprintf("gid %d"+OutsideRange, a.GID)
	}
	if err := identity.ReservedName(a.Name, x.rules.Reserved...); err != nil {
		return identity.ReservedWhy(err)
	}
	if why := x.checkUID(a.UID, a.UUID); why != "" {
		return why
	}
	if why := x.checkGID(a.GID, t.Groups[0].UUID); why != "" {
		return why
	}
	if o := x.atName(a.Name); o != nil && o.uuid != a.UUID {
		return HeldPrefix + "name: " + o.uuid.String()
	}
	if o := x.atUID(a.UID); o != nil && o.uuid != a.UUID {
		return HeldPrefix + "uid: " + string(o.Name())
	}
	return ""
}

// hasForm tells whether the names in a token are qualified as the settings say: one
// that was remembered under others is not.
func (x *Directory) hasForm(t *identity.IDToken) bool {
	return x.rules.Users.Has(t.Account.Name) &&
		!slices.ContainsFunc(t.Groups, func(g identity.Group) bool { return !x.rules.Groups.Has(g.Name) })
}

// AdmitGroup tells why a group's token is not taken; "" when it is. Numbers out of
// range, and what is another's, are judged by intern, as for groups of accounts.
func (x *Directory) AdmitGroup(t *identity.GroupToken) string {
	if err := t.Validate(); err != nil {
		return err.Error()
	}
	if t.Realm != x.rules.Realm {
		return fmt.Sprintf("it is of realm %q", t.Realm)
	}
	if !x.rules.Groups.Has(t.Group.Name) {
		return formRefused
	}
	return ""
}
