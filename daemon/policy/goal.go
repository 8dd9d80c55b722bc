package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// Goal is what a proof must come to before this machine lets an account do one
// thing: enough for a login, all that the service and each group it requires
// demand, and what some allowed group demands. Package identity says when each is
// so; here they are only put together, once for every place that asks.
type Goal struct {
	Held      []identity.FactorKind
	Table     identity.Points
	Required  []identity.Demand // of the service, and of each group that it requires
	Allowed   []identity.Demand // of the allowed groups that the account is in
	AllowsAll bool              // every account may log in here
	// Missing are groups that the service requires and the account is not in: with
	// any, no proof reaches the goal.
	Missing []uuid.UUID
}

// Goal is what an account that is in these groups must prove for a service.
func (p *Policy) Goal(e *directory.Entry, groups []directory.Membership, s Service) Goal {
	g := Goal{Held: identity.Kinds(e.Factors()), Table: e.Points(), AllowsAll: p.AllowAll}
	g.Required = append(g.Required, identity.Demand{Kinds: s.Factors, Points: s.Points})
	for _, id := range s.Require {
		at := slices.IndexFunc(groups, func(m directory.Membership) bool { return m.UUID == id })
		if at < 0 {
			g.Missing = append(g.Missing, id)
			continue
		}
		g.Required = append(g.Required, groups[at].Demand())
	}
	for _, m := range groups {
		if slices.Contains(p.AllowGroups, m.UUID) {
			g.Allowed = append(g.Allowed, m.Demand())
		}
	}
	return g
}

// EnoughForLogin tells whether what was proved is enough for any login of the account. The
// last backup code is none of the account's any more once it was used.
func (g Goal) EnoughForLogin(proved []identity.FactorKind) bool {
	held := g.Held
	if slices.Contains(proved, identity.BackupCode) {
		held = append(slices.Clone(held), identity.BackupCode)
	}
	return identity.Enough(held, proved)
}

// EnoughForService tells whether it is all that the service demands, and each group
// that the service requires.
func (g Goal) EnoughForService(proved []identity.FactorKind) bool {
	return len(g.Missing) == 0 && !slices.ContainsFunc(g.Required, func(d identity.Demand) bool { return !d.Met(g.Table, proved) })
}

// EnoughForGroups tells whether it is what one of the allowed groups demands.
func (g Goal) EnoughForGroups(proved []identity.FactorKind) bool {
	return g.AllowsAll || slices.ContainsFunc(g.Allowed, func(d identity.Demand) bool { return d.Met(g.Table, proved) })
}

// Met tells whether it is all of these.
func (g Goal) Met(proved []identity.FactorKind) bool {
	return g.EnoughForLogin(proved) && g.EnoughForService(proved) && g.EnoughForGroups(proved)
}

// Aim is what to ask for when these kinds can be asked for: the goal, or where it
// is out of reach what a login takes, so that only who proved that learns why it
// does not help. It is nil when not even that can be reached.
func (g Goal) Aim(can []identity.FactorKind) func(proved []identity.FactorKind) bool {
	switch {
	case g.Met(can):
		return g.Met
	case g.EnoughForLogin(can):
		return g.EnoughForLogin
	default:
		return nil
	}
}

// Describe says all that the service demands, for people.
func (g Goal) Describe() string {
	var kinds []identity.FactorKind
	points := uint16(0)
	for _, d := range g.Required {
		points = max(points, d.Points)
		for _, k := range d.Kinds {
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
	}
	words := make([]string, 0, len(kinds)+1)
	for _, k := range kinds {
		words = append(words, spell(k))
	}
	if points > 0 {
		words = append(words, g.spellPoints(points))
	}
	if len(words) == 0 {
		return "membership in a group"
	}
	return strings.Join(words, " and ")
}

// spell names a factor for people.
func spell(k identity.FactorKind) string {
	switch k {
	case identity.Password:
		return "a password"
	case identity.TOTP:
		return "a one-time code"
	case identity.PIV:
		return "a card"
	case identity.BackupCode:
		return "a backup code"
	default:
		return string(k)
	}
}

func (g Goal) spellPoints(points uint16) string {
	words := make([]string, 0, len(g.Table))
	for _, k := range g.Table {
		words = append(words, fmt.Sprintf("%s %d", k.Kind, k.Points))
	}
	if len(words) == 0 {
		return fmt.Sprintf("%d points", points)
	}
	return fmt.Sprintf("%d points (%s)", points, strings.Join(words, ", "))
}

// LeastDemands are the kinds that every proof for the service must hold: those
// named, and where the account has only one way to be let in, that way.
func (g Goal) LeastDemands() []string {
	list := []string{}
	own := slices.DeleteFunc(slices.Clone(g.Held), func(k identity.FactorKind) bool { return k == identity.BackupCode })
	for _, k := range own {
		others := slices.DeleteFunc(slices.Clone(own), func(o identity.FactorKind) bool { return o == k })
		if !g.EnoughForLogin(others) {
			list = append(list, string(k))
		}
	}
	for _, d := range g.Required {
		for _, k := range d.Kinds {
			if !slices.Contains(list, string(k)) {
				list = append(list, string(k))
			}
		}
	}
	return list
}
