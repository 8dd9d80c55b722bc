package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// facts are what a step is judged by, read at one moment.
type facts struct {
	now     time.Time
	known   bool
	account store.Account
	// holds is what the account holds of each kind, as the factor has read it, and spent
	// are kinds of which nothing is left to ask for.
	holds  map[identity.FactorKind]any
	spent  []identity.FactorKind
	points identity.Points
	held   []identity.FactorKind
	// until is how long failures lock each factor for this attempt.
	until map[identity.FactorKind]time.Time
	// here are the failures that a server that only reads has counted by itself.
	here map[store.Spot]identity.Tally
	// unlocked is up to when this server has heard that the name was unlocked.
	unlocked time.Time
	// client is whose share of the work this takes.
	client uuid.UUID
}

// locked tells whether failures of that factor lock it.
func (f *facts) locked(kind identity.FactorKind) bool {
	return f.now.Before(f.until[kind])
}

func (e *Engine) facts(ctx context.Context, s *session) (f facts, err error) {
	f.client, f.now = s.client.id, e.Now()
	if err := e.recalled(ctx, &f, s); err != nil {
		return f, err
	}
	var a store.Attempt
	err = e.Store.Once(ctx, func(tx *store.Tx) (err error) {
		a, err = tx.Attempt(s.client.id, s.name, s.origin)
		return err
	})
	if err != nil {
		return f, err
	}
	f.now = time.Unix(max(a.Clock.Unix(), f.now.Unix()), 0)
	e.lifted(&f, &a)
	f.locks(&a, s, e.factors)
	f.points, f.account, f.known = a.Points, a.Account, a.Known
	if !f.known {
		return f, nil
	}
	f.credentials(&a.Person, e.factors)
	if e.Reads() != nil { // what cannot be used up here is not offered
		f.spent = append(f.spent, identity.BackupCode)
	}
	return f, nil
}

// locks finds what failures lock for this attempt.
func (f *facts) locks(a *store.Attempt, s *session, all factors) {
	before, tallies := familiarWith(a, f.now), f.merged(a.Failures)
	f.until = make(map[identity.FactorKind]time.Time)
	for _, one := range all {
		if by := one.traits(); by.counted != "" {
			f.until[by.kind] = lockedUntil(brakes(by.counted, s.client.id, s.origin, before), tallies)
		}
	}
}

func (f *facts) credentials(p *store.Person, all factors) {
	f.held, f.holds = identity.Kinds(p.Factors()), make(map[identity.FactorKind]any)
	for _, one := range all {
		by, ok := one.(holder)
		if !ok {
			continue
		}
		kind := one.traits().kind
		held, left := by.held(p)
		if f.holds[kind] = held; !left {
			f.spent = append(f.spent, kind)
		}
	}
}

// enough is what the session has to prove: what a login takes, and to make or take
// away a factor, something as strong as that factor. A new one needs that only
// where the account holds anything as strong: so the first is easily had, and who
// stole a password does not add a card to those that are there.
func (f *facts) enough(s *session) func([]identity.FactorKind) bool {
	return func(proved []identity.FactorKind) bool {
		if !identity.Enough(f.held, proved) {
			return false
		}
		kind := s.enrol
		if s.remove != "" {
			kind = s.remove
		}
		asStrong := func(k identity.FactorKind) bool { return f.points.Of(k) >= f.points.Of(kind) }
		return kind == "" || slices.ContainsFunc(proved, asStrong) ||
			s.remove == "" && !slices.ContainsFunc(f.held, asStrong)
	}
}

// next lists what may come next; nothing when the session has proved what it has to
// and is not asked for more, when there is nothing more, or when it cannot get there.
func (f *facts) next(s *session, more bool) []identity.FactorKind {
	askable := slices.DeleteFunc(slices.Clone(f.held), func(k identity.FactorKind) bool {
		return slices.Contains(f.spent, k)
	})
	proved, enough := s.methods(), f.enough(s)
	if !enough(proved) {
		return identity.Next(askable, proved, f.points, enough)
	}
	if !more {
		return nil
	}
	rest := slices.DeleteFunc(askable, func(k identity.FactorKind) bool { return slices.Contains(proved, k) })
	slices.SortStableFunc(rest, func(a, b identity.FactorKind) int { return int(f.points.Of(b)) - int(f.points.Of(a)) })
	return rest
}
