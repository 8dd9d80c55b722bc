package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// GroupID is a group of a realm: its uuid, "UUID", and of several realms which one's,
// "UUID@REALM". What a realm says of a uuid counts for its own groups alone.
type GroupID struct {
	id    uuid.UUID
	realm string // "": of the only one
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *GroupID) UnmarshalText(b []byte) error {
	name, realm, says := strings.Cut(string(b), "@")
	id, err := uuid.Parse(name)
	if err != nil || id == uuid.Nil || says && realm == "" {
		return fmt.Errorf("%q is not the uuid of a group; names can be taken over, so they do not count here", b)
	}
	g.id, g.realm = id, realm
	return nil
}

// of tells whether it is a group of that realm.
func (g GroupID) of(realm string) bool { return g.realm == "" || g.realm == realm }

// Allow is "*", everybody, or a [GroupID]. Of several realms it says whose: "*@REALM".
type Allow struct {
	everybody bool
	group     GroupID // with everybody its realm alone counts
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Allow) UnmarshalText(b []byte) error {
	if who, realm, says := strings.Cut(string(b), "@"); who == "*" && says == (realm != "") {
		*a = Allow{everybody: true, group: GroupID{realm: realm}}
		return nil
	}
	if err := a.group.UnmarshalText(b); err != nil {
		return fmt.Errorf("%q is neither \"*\" nor the uuid of a group; names can be taken over, so they do not count here", b)
	}
	return nil
}

// String gives the text back.
func (a Allow) String() string {
	who := a.group.id.String()
	if a.everybody {
		who = "*"
	}
	if a.group.realm != "" {
		who += "@" + a.group.realm
	}
	return who
}

// Allowed sorts the list for people of a realm: whether everybody may log in, and else
// whose members.
func (l Login) Allowed(realm string) (everybody bool, groups []uuid.UUID) {
	for _, a := range l.Allow {
		switch {
		case !a.group.of(realm):
		case a.everybody:
			everybody = true
		default:
			groups = append(groups, a.group.id)
		}
	}
	return everybody, groups
}

// Of are the local groups that follow groups of a realm.
func (g Groups) Of(realm string) map[string]uuid.UUID {
	local := make(map[string]uuid.UUID)
	for name, id := range g.Local {
		if id.of(realm) {
			local[name] = id.id
		}
	}
	return local
}

// checkGroups refuses a group that does not say which of several realms it is of, or
// names one that is not there: any realm could claim the uuid of another's.
func (c *Config) checkGroups() error {
	check := func(where, who string, g GroupID) error {
		switch {
		case g.realm == "" && len(c.Providers) > 1:
			return fmt.Errorf("%s: of several [[provider]], say whose it is: %q", where, who+"@"+c.Providers[0].Realm)
		case g.realm != "" && !slices.ContainsFunc(c.Providers, func(p Provider) bool { return p.Realm == g.realm }):
			return fmt.Errorf("%s: no [[provider]] is of the realm %q", where, g.realm)
		}
		return nil
	}
	for _, a := range c.Login.Allow {
		if err := check("[login] allow", a.String(), a.group); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Groups.Local)) {
		if err := check("[groups] local: "+name, c.Groups.Local[name].id.String(), c.Groups.Local[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Service)) {
		for _, g := range c.Service[name].Require {
			if err := check("[service."+name+"] require", g.id.String(), g); err != nil {
				return err
			}
		}
	}
	return nil
}
