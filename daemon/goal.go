package daemon

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// goal is what a proof must come to before this machine lets an account do one
// thing: enough for a login, all that the service and each group it requires
// demand, and what some allowed group demands. Package identity says when each is
// so; here they are only put together, once for every place that asks.
type goal struct {
	held  []identity.FactorKind
	table identity.Points
	all   []identity.Demand // of the service, and of each group that it requires
	some  []identity.Demand // of the allowed groups that the account is in
	free  bool              // every account may log in here
	// missing are groups that the service requires and the account is not in: with
	// any, no proof reaches the goal.
	missing []uuid.UUID
}

func (d *Gate) goalOf(e *directory.Entry, p Service) goal {
	g := goal{held: identity.Kinds(e.Factors()), table: e.Points(), free: d.p.AllowAll}
	g.all = append(g.all, identity.Demand{Kinds: p.Factors, Points: p.Points})
	groups := d.Directory().GroupsOf(e)
	for _, id := range p.Require {
		at := slices.IndexFunc(groups, func(m directory.Membership) bool { return m.UUID == id })
		if at < 0 {
			g.missing = append(g.missing, id)
			continue
		}
		g.all = append(g.all, groups[at].Demand())
	}
	for _, m := range groups {
		if slices.Contains(d.p.AllowGroups, m.UUID) {
			g.some = append(g.some, m.Demand())
		}
	}
	return g
}

// login tells whether what was proved is enough for any login of the account. The
// last backup code is none of the account's any more once it was used.
func (g goal) login(proved []identity.FactorKind) bool {
	held := g.held
	if slices.Contains(proved, identity.BackupCode) {
		held = append(slices.Clone(held), identity.BackupCode)
	}
	return identity.Enough(held, proved)
}

func (g goal) service(proved []identity.FactorKind) bool {
	return len(g.missing) == 0 && !slices.ContainsFunc(g.all, func(d identity.Demand) bool { return !d.Met(g.table, proved) })
}

func (g goal) allowed(proved []identity.FactorKind) bool {
	return g.free || slices.ContainsFunc(g.some, func(d identity.Demand) bool { return d.Met(g.table, proved) })
}

func (g goal) met(proved []identity.FactorKind) bool {
	return g.login(proved) && g.service(proved) && g.allowed(proved)
}

// aim is what to ask for when these kinds can be asked for: the goal, or where it
// is out of reach what a login takes, so that only who proved that learns why it
// does not help. It is nil when not even that can be reached.
func (g goal) aim(can []identity.FactorKind) func(proved []identity.FactorKind) bool {
	switch {
	case g.met(can):
		return g.met
	case g.login(can):
		return g.login
	default:
		return nil
	}
}

// demands are all that the service demands, for people.
func (g goal) demands() string {
	var kinds []identity.FactorKind
	points := uint16(0)
	for _, d := range g.all {
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

func (g goal) spellPoints(points uint16) string {
	words := make([]string, 0, len(g.table))
	for _, k := range g.table {
		words = append(words, fmt.Sprintf("%s %d", k.Kind, k.Points))
	}
	if len(words) == 0 {
		return fmt.Sprintf("%d points", points)
	}
	return fmt.Sprintf("%d points (%s)", points, strings.Join(words, ", "))
}

// leastDemands are the kinds that every proof for the service must hold: those
// named, and where the account has only one way to be let in, that way.
func (g goal) leastDemands() []string {
	list := []string{}
	own := slices.DeleteFunc(slices.Clone(g.held), func(k identity.FactorKind) bool { return k == identity.BackupCode })
	for _, k := range own {
		others := slices.DeleteFunc(slices.Clone(own), func(o identity.FactorKind) bool { return o == k })
		if !g.login(others) {
			list = append(list, string(k))
		}
	}
	for _, d := range g.all {
		for _, k := range d.Kinds {
			if !slices.Contains(list, string(k)) {
				list = append(list, string(k))
			}
		}
	}
	return list
}
