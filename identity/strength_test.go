package identity

import (
	"fmt"
	"slices"
	"testing"
)

// everyKind in an order of its own, with points that are no multiples of each other.
func everyKind() ([]FactorKind, Points) {
	return []FactorKind{TOTP, PIV, Password, BackupCode}, Points{{Password, 10}, {TOTP, 21}, {BackupCode, 22}, {PIV, 34}}
}

// subsets are all sets of the kinds, each in the kinds' order.
func subsets(kinds []FactorKind) [][]FactorKind {
	all := [][]FactorKind{nil}
	for _, k := range kinds {
		for _, s := range all {
			all = append(all, append(slices.Clone(s), k))
		}
	}
	return all
}

func within(small, large []FactorKind) bool {
	for _, k := range small {
		if !slices.Contains(large, k) {
			return false
		}
	}
	return true
}

// truth spells the four columns out, one row for each way an account can be held.
// The value lists the sets that suffice, each of which may be more.
func truth(held []FactorKind) (enough [][]FactorKind) {
	if slices.Contains(held, PIV) {
		enough = append(enough, []FactorKind{PIV})
	}
	switch {
	case !slices.Contains(held, Password):
	case !slices.Contains(held, TOTP):
		enough = append(enough, []FactorKind{Password})
	case slices.Contains(held, BackupCode):
		enough = append(enough, []FactorKind{Password, TOTP}, []FactorKind{Password, BackupCode})
	default:
		enough = append(enough, []FactorKind{Password, TOTP})
	}
	return enough
}

// Promise strength-everything.
func TestEnoughIsWhatTheTableOfItsPackageSays(t *testing.T) {
	kinds, _ := everyKind()
	for _, held := range subsets(kinds) {
		for _, proved := range subsets(kinds) {
			want := within(proved, held) && slices.ContainsFunc(truth(held), func(s []FactorKind) bool { return within(s, proved) })
			if got := Enough(held, proved); got != want {
				t.Errorf("held %v, proved %v: %t, want %t", held, proved, got, want)
			}
		}
	}
}

// Promise strength-everything.
func TestADemandIsMetByEachNamedKindAndByThePoints(t *testing.T) {
	kinds, table := everyKind()
	for _, named := range subsets(kinds[:3]) {
		for points := range uint16(90) {
			for _, proved := range subsets(kinds) {
				sum, want := 0, len(proved) > 0
				for _, k := range proved {
					sum += map[FactorKind]int{Password: 10, TOTP: 21, BackupCode: 22, PIV: 34}[k]
				}
				if slices.Contains(proved, TOTP) && slices.Contains(proved, BackupCode) {
					sum -= 21 // one stands in for the other
				}
				for _, k := range named {
					want = want && (slices.Contains(proved, k) || k == TOTP && slices.Contains(proved, BackupCode))
				}
				want = want && sum >= int(points)
				if got := (Demand{named, points}).Met(table, proved); got != want {
					t.Fatalf("%v and %d points, proved %v: %t, want %t", named, points, proved, got, want)
				}
			}
		}
	}
}

func TestNoPointsCountTwiceAndNoneOutsideTheTable(t *testing.T) {
	twice := []FactorKind{Password, Password}
	if (Demand{Points: 11}).Met(DefaultPoints(), twice) {
		t.Error("a kind counts twice")
	}
	if (Demand{Points: 1}).Met(nil, []FactorKind{PIV}) || (Demand{Points: 1}).Met(Points{{PIV, 30}}, []FactorKind{Password}) {
		t.Error("a kind counts that the realm gave no points")
	}
	if !(Demand{Points: 1<<16 - 1}).Met(Points{{PIV, 1<<16 - 1}, {Password, 1<<16 - 1}}, []FactorKind{PIV, Password}) {
		t.Error("points run over")
	}
}

// TestNextNamesExactlyTheFirstStepsOfTheShortestWays walks every order in which the
// kinds that are left could be proved, and keeps those that lose the goal with any
// step taken out.
// Promise strength-everything.
func TestNextNamesExactlyTheFirstStepsOfTheShortestWays(t *testing.T) {
	kinds, table := everyKind()
	for _, held := range subsets(kinds) {
		for _, proved := range subsets(held) {
			for _, d := range []Demand{
				{},
				{Points: 10},
				{Points: 11},
				{Points: 22},
				{Points: 33},
				{Points: 44},
				{Points: 55},
				{Points: 60},
				{Points: 77},
				{Points: 87},
				{Points: 88},
				{Kinds: []FactorKind{Password}},
				{Kinds: []FactorKind{TOTP}},
				{Kinds: []FactorKind{PIV}},
				{Kinds: []FactorKind{PIV, TOTP}},
				{Kinds: []FactorKind{TOTP}, Points: 50},
			} {
				goal := func(p []FactorKind) bool { return Enough(held, p) && d.Met(table, p) }
				want := firstSteps(held, proved, goal)
				got := Next(held, proved, table, goal)
				sorted := slices.IsSortedFunc(got, func(a, b FactorKind) int { return int(table.Of(b)) - int(table.Of(a)) })
				if len(got) != len(want) || !within(got, want) || !sorted {
					t.Fatalf("held %v, proved %v, %+v: %v, want %v", held, proved, d, got, want)
				}
			}
		}
	}
}

func firstSteps(held, proved []FactorKind, goal func([]FactorKind) bool) (first []FactorKind) {
	if goal(proved) {
		return nil
	}
	var walk func(way []FactorKind)
	walk = func(way []FactorKind) {
		if goal(append(slices.Clone(proved), way...)) {
			for i := range way {
				if goal(append(append(slices.Clone(proved), way[:i]...), way[i+1:]...)) {
					return // this step was in vain
				}
			}
			if code := way[0] == TOTP || way[0] == BackupCode; (!code || len(proved) > 0) && !slices.Contains(first, way[0]) {
				first = append(first, way[0])
			}
			return
		}
		for _, k := range held {
			if !slices.Contains(proved, k) && !slices.Contains(way, k) {
				walk(append(slices.Clone(way), k))
			}
		}
	}
	walk(nil)
	return first
}

func TestNextAsksForNothingTwiceAndBoundsItsWork(t *testing.T) {
	always := func([]FactorKind) bool { return false }
	if got := Next([]FactorKind{Password, Password}, nil, nil, func(p []FactorKind) bool { return len(p) > 1 }); len(got) != 0 {
		t.Errorf("%v", got)
	}
	var many []FactorKind
	for i := range 64 {
		many = append(many, FactorKind(fmt.Sprint(i)))
	}
	if got := Next(many, nil, nil, always); got != nil {
		t.Errorf("%v", got)
	}
}
