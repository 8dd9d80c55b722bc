package identity

import "slices"

// Strength is decided here, for the server and for a machine without one alike:
// what an account must prove, and what may be asked for next.
//
//	held beside a password         suffices for a login
//	nothing                        password
//	a one-time code                password and code, or password and backup code
//	a card                         the card, or the password
//	a card and a one-time code     the card, or password and either code
//
// So a card is one more way, and who wants to oblige people to it demands it of a
// group or a service. A backup code stands in for a one-time code wherever that is
// demanded, and beside one it counts no points of its own; nothing stands in for a
// card or a password that is named.

// Demand is how strong a proof must be: every kind named, and the points. The zero
// value demands nothing beyond a login.
type Demand struct {
	Kinds  []FactorKind
	Points uint16
}

// Demand is what the group demands.
func (g *Group) Demand() Demand { return Demand{g.Demands, g.Points} }

// Met tells whether what was proved is as strong as demanded. Nothing proved is
// never enough.
func (d Demand) Met(table Points, proved []FactorKind) bool {
	if len(proved) == 0 {
		return false
	}
	for _, k := range d.Kinds {
		if !slices.Contains(proved, k) && (k != TOTP || !slices.Contains(proved, BackupCode)) {
			return false
		}
	}
	return table.Sum(proved) >= int(d.Points)
}

// Enough tells whether what was proved is enough for a login of an account that
// holds these kinds. It must have proved only what it holds.
func Enough(held, proved []FactorKind) bool {
	for _, k := range proved {
		if !slices.Contains(held, k) {
			return false
		}
	}
	switch {
	case slices.Contains(proved, PIV):
		return true
	case !slices.Contains(proved, Password):
		return false
	case slices.Contains(held, TOTP):
		return slices.Contains(proved, TOTP) || slices.Contains(proved, BackupCode)
	default:
		return true
	}
}

// Next lists the kinds that may be asked for next so that what is proved comes to
// reach the goal: those of every least set of held kinds that does, the strongest
// first. It is empty when the goal is reached, or cannot be. A code is never the
// first that is asked for: it is too short to stand alone against guessing.
func Next(held, proved []FactorKind, table Points, goal func(proved []FactorKind) bool) []FactorKind {
	var left []FactorKind
	for _, k := range held {
		if !slices.Contains(proved, k) && !slices.Contains(left, k) {
			left = append(left, k)
		}
	}
	if len(left) > maxKinds || goal(proved) {
		return nil
	}
	var sets []uint
	for s := uint(1); s < 1<<len(left); s++ {
		if goal(append(slices.Clone(proved), chosen(left, s)...)) {
			sets = append(sets, s)
		}
	}
	var next []FactorKind
	for i, k := range left {
		bit := uint(1) << i
		if len(proved) == 0 && (k == TOTP || k == BackupCode) {
			continue
		}
		if slices.ContainsFunc(sets, func(s uint) bool { return s&bit != 0 && least(s, sets) }) {
			next = append(next, k)
		}
	}
	slices.SortStableFunc(next, func(a, b FactorKind) int { return int(table.Of(b)) - int(table.Of(a)) })
	return next
}

// maxKinds bounds the sets that are looked at.
const maxKinds = 8

func chosen(kinds []FactorKind, set uint) []FactorKind {
	var list []FactorKind
	for i, k := range kinds {
		if set&(1<<i) != 0 {
			list = append(list, k)
		}
	}
	return list
}

// least tells whether no other of the sets is within s.
func least(s uint, sets []uint) bool {
	return !slices.ContainsFunc(sets, func(o uint) bool { return o != s && o&s == o })
}
