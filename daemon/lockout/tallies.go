package lockout

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// What failures are counted for.
const (
	Password = "password" // answers checked here
	Code     = "totp"     // one-time codes checked here
	Card     = "piv"      // signatures of cards checked here
	PIN      = "pin"      // wrong PINs, see PINBrake; no yes clears them
	Locker   = "locker"   // attempts by a peer that is not root
)

// All are what a yes of the server clears: it counts by itself. Wrong PINs it never
// hears of.
func All() []string { return []string{Password, Code, Card, Locker} }

// KindOf is what failures of a factor are counted for.
func KindOf(k identity.FactorKind) string {
	switch k {
	case identity.TOTP:
		return Code
	case identity.PIV:
		return Card
	default:
		return Password
	}
}

// clock is the trusted time; Keep writes it down, so that it does not go back.
type clock interface {
	Now() time.Time
	Keep(ctx context.Context) error
}

// Tallies count failures, and lock by them.
type Tallies struct {
	keyedLocks
	cache *cache.Cache
	clock clock
	p     *policy.Policy
	log   *slog.Logger
}

// New makes them, over what the cache has counted.
func New(c *cache.Cache, t clock, p *policy.Policy, log *slog.Logger) *Tallies {
	return &Tallies{cache: c, clock: t, p: p, log: log}
}

// placeFor is how long somebody counts as having signed in from somewhere.
const placeFor = 90 * 24 * time.Hour

// rule is one that holds for an attempt, and what it has counted.
type rule struct {
	identity.Brake
	cache.Failures
}

// brakesFor are the rules by which an attempt may be locked here, with what they have
// counted. Its failures count by the same ones and by no other.
//
//	the account has signed in from there      rules
//	within 90 days                            origin
//	or it is the seat                         origin
//	else                                      origin, machine
//	any, for PINs                             the origin's wrong PINs
func (d *Tallies) brakesFor(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) ([]rule, error) {
	own, shared := d.p.OriginBrake(), !from.AtSeat()
	if kind == PIN {
		own, shared = PINBrake(), false
	}
	list := []rule{{own, cache.Failures{Kind: kind, Origin: from.String()}}}
	if shared {
		known, err := d.cache.HasSignedIn(ctx, id, from.String(), d.clock.Now().Add(-placeFor))
		if err != nil {
			return nil, err //nolint:wrapcheck // told by Uncounted
		}
		if !known {
			list = append(list, rule{d.p.MachineBrake(), cache.Failures{Kind: kind}})
		}
	}
	for i, c := range list {
		var err error
		if list[i].Tally, err = d.cache.Failures(ctx, id, kind, c.Origin); err != nil {
			return nil, err //nolint:wrapcheck // the same
		}
	}
	return list, nil
}

// PINBrake counts the wrong PINs of one origin.
func PINBrake() identity.Brake {
	return identity.Brake{From: 10, First: time.Minute, Most: time.Hour, Forget: 12 * time.Hour}
}

// LockedUntil is when an attempt of that kind is no longer locked; the zero time where it
// is not.
func (d *Tallies) LockedUntil(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) (time.Time, error) {
	list, err := d.brakesFor(ctx, id, kind, from)
	return longest(list), err
}

func longest(list []rule) time.Time {
	var until time.Time
	for _, c := range list {
		if c.LockedUntil.After(until) {
			until = c.LockedUntil
		}
	}
	return until
}

// Reserve counts an attempt as failed before it is made, so that neither a crash
// nor many at once get more tries than one by one. A count that cannot be stored
// is no attempt. The caller holds the account's lock.
func (d *Tallies) Reserve(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) checks.Ruling {
	list, err := d.brakesFor(ctx, id, kind, from)
	if err != nil {
		return Uncounted(err)
	}
	now := d.clock.Now()
	if until := longest(list); now.Before(until) {
		return Locked(until.Sub(now))
	}
	// Not before: guesses at a locked account shall cost no write.
	if err := d.clock.Keep(ctx); err != nil {
		return Uncounted(err)
	}
	counted := make([]cache.Failures, len(list))
	for i, c := range list {
		c.Tally = c.Fail(c.Tally, now)
		counted[i] = c.Failures
	}
	if err := d.cache.SetFailures(ctx, id, counted...); err != nil {
		return Uncounted(err)
	}
	return checks.Ruling{Code: identity.Granted}
}

// ReserveAlone is reserve for a caller without the lock.
func (d *Tallies) ReserveAlone(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) checks.Ruling {
	unlock, err := d.Lock(ctx, id)
	if err != nil {
		return checks.Ruling{Code: identity.Unavailable}
	}
	defer unlock()
	return d.Reserve(ctx, id, kind, from)
}

// Unreserve takes back what reserve counted for an attempt that came to no answer
// to any question, because the server was not there to ask one.
func (d *Tallies) Unreserve(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) {
	unlock, err := d.Lock(ctx, id)
	if err != nil {
		return // it stays counted
	}
	defer unlock()
	d.TakeBack(ctx, id, kind, from)
}

// TakeBack undoes the reserve of an attempt that was compared with nothing, for a
// TPM that does not answer shall lock nobody out once it does, or that was right. The
// caller holds the account's lock.
func (d *Tallies) TakeBack(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) {
	list, err := d.brakesFor(ctx, id, kind, from)
	if err == nil {
		var counted []cache.Failures
		for _, c := range list {
			if c.Count > 0 {
				c.Count--
				c.LockedUntil = time.Unix(0, 0) // it had passed, or nothing would have been counted
				counted = append(counted, c.Failures)
			}
		}
		if len(counted) > 0 {
			err = d.cache.SetFailures(ctx, id, counted...)
		}
	}
	if err != nil {
		d.log.WarnContext(ctx, "an attempt that could not be made stays counted", "error", err)
	}
}

// SignedIn clears what was proved at that origin, and remembers it as the account's. It
// undoes no login: what goes wrong is logged.
func (d *Tallies) SignedIn(ctx context.Context, id uuid.UUID, from identity.Origin, proved ...string) {
	if err := d.cache.SignedIn(ctx, id, from.String(), d.clock.Now(), proved...); err != nil {
		d.log.WarnContext(ctx, "failures are not cleared", "error", err)
	}
}

// Clear forgets all that was counted against the account.
func (d *Tallies) Clear(ctx context.Context, id uuid.UUID) error {
	unlock, err := d.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	return d.cache.ClearFailures(ctx, id) //nolint:wrapcheck // the caller says what it was for
}

// InForce is what the counts of an account lock now, the longest first.
func (d *Tallies) InForce(list []cache.Failures) []cache.Failures {
	now := d.clock.Now()
	list = slices.DeleteFunc(slices.Clone(list), func(f cache.Failures) bool { return !f.Locked(now) })
	slices.SortFunc(list, func(a, b cache.Failures) int { return b.LockedUntil.Compare(a.LockedUntil) })
	return list
}

// Locked is the ruling while it is locked for that long.
func Locked(left time.Duration) checks.Ruling {
	return checks.Ruling{
		Code: identity.TooManyTries, Tell: true, Detail: "Too many wrong answers.",
		Mend: "Try again in " + report.Friendly(left+time.Second-1) + ".",
	}
}

// Uncounted is the ruling where the cache does not count.
func Uncounted(err error) checks.Ruling {
	r := checks.Ruling{Code: identity.Unavailable, Tell: true, Detail: "Attempts cannot be counted here, so none is allowed."}
	r.Mend = "Look at the log of sallyportd."
	if errors.Is(err, cache.ErrFull) {
		r.Mend = "The disk is full: free some space."
	}
	return r
}
