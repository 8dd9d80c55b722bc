package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// What failures are counted for.
const (
	kindOffline = "password" // answers checked here
	kindCode    = "totp"     // one-time codes checked here
	kindCard    = "piv"      // signatures of cards checked here
	kindPIN     = "pin"      // wrong PINs, see pintries.go; no yes clears them
	kindLocker  = "locker"   // attempts by a peer that is not root
)

// allKinds are what a yes of the server clears: it counts by itself. Wrong PINs it never
// hears of.
var allKinds = []string{kindOffline, kindCode, kindCard, kindLocker} //nolint:gochecknoglobals // a constant table

// countedAs is what failures of a factor are counted for.
func countedAs(k identity.FactorKind) string {
	switch k {
	case identity.TOTP:
		return kindCode
	case identity.PIV:
		return kindCard
	default:
		return kindOffline
	}
}

// placeFor is how long somebody counts as having signed in from somewhere.
const placeFor = 90 * 24 * time.Hour

// counter is one rule that holds for an attempt, and what it has counted.
type counter struct {
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
func (d *Gate) brakesFor(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) ([]counter, error) {
	own, shared := d.p.OriginBrake(), !from.AtSeat()
	if kind == kindPIN {
		own, shared = pinBrake(), false
	}
	list := []counter{{own, cache.Failures{Kind: kind, Origin: from.String()}}}
	if shared {
		known, err := d.o.Cache.HasSignedIn(ctx, id, from.String(), d.Clock().Now().Add(-placeFor))
		if err != nil {
			return nil, err //nolint:wrapcheck // told by uncounted
		}
		if !known {
			list = append(list, counter{d.p.MachineBrake(), cache.Failures{Kind: kind}})
		}
	}
	for i, c := range list {
		var err error
		if list[i].Tally, err = d.o.Cache.Failures(ctx, id, kind, c.Origin); err != nil {
			return nil, err //nolint:wrapcheck // the same
		}
	}
	return list, nil
}

func longest(list []counter) time.Time {
	var until time.Time
	for _, c := range list {
		if c.LockedUntil.After(until) {
			until = c.LockedUntil
		}
	}
	return until
}

// reserve counts an attempt as failed before it is made, so that neither a crash
// nor many at once get more tries than one by one. A count that cannot be stored
// is no attempt. The caller holds the account's lock.
func (d *Gate) reserve(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) checks.Ruling {
	list, err := d.brakesFor(ctx, id, kind, from)
	if err != nil {
		return uncounted(err)
	}
	now := d.Clock().Now()
	if until := longest(list); now.Before(until) {
		return locked(until.Sub(now))
	}
	// Not before: guesses at a locked account shall cost no write.
	if err := d.Clock().Keep(ctx); err != nil {
		return uncounted(err)
	}
	counted := make([]cache.Failures, len(list))
	for i, c := range list {
		c.Tally = c.Fail(c.Tally, now)
		counted[i] = c.Failures
	}
	if err := d.o.Cache.SetFailures(ctx, id, counted...); err != nil {
		return uncounted(err)
	}
	return checks.Ruling{Code: identity.Granted}
}

// reserveAlone is reserve for a caller without the lock.
func (d *Gate) reserveAlone(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) checks.Ruling {
	unlock, err := d.tries.lock(ctx, id)
	if err != nil {
		return checks.Ruling{Code: identity.Unavailable}
	}
	defer unlock()
	return d.reserve(ctx, id, kind, from)
}

// unreserve takes back what reserve counted for an attempt that came to no answer
// to any question, because the server was not there to ask one.
func (d *Gate) unreserve(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) {
	unlock, err := d.tries.lock(ctx, id)
	if err != nil {
		return // it stays counted
	}
	defer unlock()
	d.takeBack(ctx, id, kind, from)
}

// takeBack undoes the reserve of an attempt that was compared with nothing, for a
// TPM that does not answer shall lock nobody out once it does, or that was right. The
// caller holds the account's lock.
func (d *Gate) takeBack(ctx context.Context, id uuid.UUID, kind string, from identity.Origin) {
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
			err = d.o.Cache.SetFailures(ctx, id, counted...)
		}
	}
	if err != nil {
		d.log.WarnContext(ctx, "an attempt that could not be made stays counted", "error", err)
	}
}

// signedIn clears what was proved at that origin, and remembers it as the account's. It
// undoes no login: what goes wrong is logged.
func (d *Gate) signedIn(ctx context.Context, id uuid.UUID, from identity.Origin, proved ...string) {
	if err := d.o.Cache.SignedIn(ctx, id, from.String(), d.Clock().Now(), proved...); err != nil {
		d.log.WarnContext(ctx, "failures are not cleared", "error", err)
	}
}

// locksOf is what the counts of an account lock now, the longest first.
func (d *Gate) locksOf(list []cache.Failures) []cache.Failures {
	now := d.Clock().Now()
	list = slices.DeleteFunc(slices.Clone(list), func(f cache.Failures) bool { return !f.Locked(now) })
	slices.SortFunc(list, func(a, b cache.Failures) int { return b.LockedUntil.Compare(a.LockedUntil) })
	return list
}

func locked(left time.Duration) checks.Ruling {
	return checks.Ruling{
		Code: identity.TooManyTries, Tell: true, Detail: "Too many wrong answers.",
		Mend: "Try again in " + report.Friendly(left+time.Second-1) + ".",
	}
}

func uncounted(err error) checks.Ruling {
	r := checks.Ruling{Code: identity.Unavailable, Tell: true, Detail: "Attempts cannot be counted here, so none is allowed."}
	r.Mend = "Look at the log of sallyportd."
	if errors.Is(err, cache.ErrFull) {
		r.Mend = "The disk is full: free some space."
	}
	return r
}
