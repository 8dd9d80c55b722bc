package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// The brakes. Their numbers, and what they leave to a guesser, are in the package
// comment and in docs/troubleshooting.md.
var (
	originBrake  = identity.Brake{From: 5, First: 30 * time.Second, Most: 15 * time.Minute, Quiet: 24 * time.Hour} //nolint:gochecknoglobals // a constant
	machineBrake = identity.Brake{From: 20, First: time.Minute, Most: time.Hour, Forget: time.Hour}                //nolint:gochecknoglobals // a constant
	realmBrake   = identity.Brake{From: 50, First: 5 * time.Minute, Most: time.Hour, Forget: 30 * time.Minute}     //nolint:gochecknoglobals // a constant
)

const (
	// placeFor is how long somebody counts as having signed in somewhere.
	placeFor = 90 * 24 * time.Hour
	// keepFailures is when every brake has forgotten what is not added to.
	keepFailures = 48 * time.Hour
	PruneEvery   = time.Hour
)

// familiar is what a person has done before where an attempt comes from.
type familiar struct {
	onMachine, fromOrigin bool
}

// brake is one of the rules that hold for an attempt, and where it counts.
type brake struct {
	identity.Brake
	spot store.Spot
}

// brakes are the rules by which an attempt may be locked, of what is counted as that kind. Its failures count by the
// same ones and by no other: so what one place can do never adds to another's lock.
func brakes(kind identity.FactorKind, machine uuid.UUID, origin string, f familiar) []brake {
	list := []brake{{originBrake, store.Spot{Kind: kind, Machine: machine, Origin: origin}}}
	if !f.fromOrigin && origin != identity.Seat().String() {
		list = append(list, brake{machineBrake, store.Spot{Kind: kind, Machine: machine}})
	}
	if !f.onMachine {
		list = append(list, brake{realmBrake, store.Spot{Kind: kind}})
	}
	return list
}

// brakeAt is the rule that counts at such a spot.
func brakeAt(s store.Spot) identity.Brake {
	switch {
	case s.Machine == uuid.Nil:
		return realmBrake
	case s.Origin == "":
		return machineBrake
	default:
		return originBrake
	}
}

// lockedUntil is when the last of the locks ends that hold for an attempt, or a time
// that has passed.
func lockedUntil(list []brake, tallies map[store.Spot]identity.Tally) time.Time {
	var until time.Time
	for _, b := range list {
		if t := tallies[b.spot].LockedUntil; t.After(until) {
			until = t
		}
	}
	return until
}

// familiarWith tells what the owner of the name has done there; of nobody's name, and of one
// beyond the machine's scope, it is nothing.
func familiarWith(a *store.Attempt, now time.Time) familiar {
	since := now.Add(-placeFor).Unix()
	return familiar{onMachine: a.OnMachine.Unix() >= since, fromOrigin: a.FromOrigin.Unix() >= since}
}

// countFailure counts a wrong answer wherever it could be locked.
func (e *Engine) countFailure(tx *store.Tx, s *session, kind identity.FactorKind) error {
	_, err := e.count(tx, s, kind)
	return err
}

func (e *Engine) count(tx *store.Tx, s *session, kind identity.FactorKind) (all []counted, err error) {
	a, err := tx.Attempt(s.client.id, s.name, s.origin)
	if err != nil {
		return nil, err
	}
	now, err := tx.Clock(e.Now())
	if err != nil {
		return nil, err
	}
	for _, b := range brakes(e.factors.counted(kind), s.client.id, s.origin, familiarWith(&a, now)) {
		if a.Beyond && b.spot.Machine == uuid.Nil {
			continue // what a machine may not begin for, it may not lock over the realm
		}
		before := a.Failures[b.spot]
		one := store.Failures{Spot: b.spot, Tally: b.Fail(before, now)}
		if err := tx.SetFailuresOf(s.name, a.Known || a.Beyond, one, now); err != nil {
			return nil, err
		}
		all = append(all, counted{b.spot, before, one.Tally})
	}
	return all, nil
}

// clearProved forgets the failures of what was proved, at the origin where it was, and
// of nothing else: who holds a card must not get more guesses at a code by it, and
// nobody's success gives another more guesses.
func (e *Engine) clearProved(tx *store.Tx, s *session) error {
	for _, k := range s.methods() {
		if err := tx.ClearFailuresAt(s.name, store.Spot{Kind: e.factors.counted(k), Machine: s.client.id, Origin: s.origin}); err != nil {
			return err
		}
	}
	return nil
}

// Prune forgets what no brake counts any more, and places of long ago.
func (e *Engine) Prune(ctx context.Context) error {
	return e.memory().Write(ctx, func(tx *store.Tx) error {
		now, err := tx.Clock(e.Now())
		if err != nil {
			return err
		}
		return tx.Prune(now.Add(-keepFailures), now.Add(-placeFor))
	})
}

// TallyNow is what is still counted at a spot.
func (*Engine) TallyNow(f store.Failures, now time.Time) identity.Tally {
	return brakeAt(f.Spot).Now(f.Tally, now)
}

// SignedInSince is from when on somebody counts as having signed in somewhere.
func (*Engine) SignedInSince(now time.Time) time.Time { return now.Add(-placeFor) }
