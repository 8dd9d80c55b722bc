package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// At a server that only reads, what an authentication leaves behind goes into a database of
// the server's own: failures, codes that were used, and rows of the audit log. What is true
// of people and machines is read from the standby. A lock holds where either has it, and a
// failure counts on from the higher of both. An administrator's unlock comes with the
// standby, and ends what was counted here before.

// memory is where an authentication leaves what it leaves.
func (e *Engine) memory() *store.Store {
	if d := e.Reads(); d != nil {
		return d.Memory
	}
	return e.Store
}

// errUnknownHere: the standby may not have heard of somebody who is new.
var errUnknownHere = realm.OnlyReads("its standby does not know the account")

// errChangesNothing is said to whoever asks for a change.
var errChangesNothing = realm.OnlyReads("passwords, codes and cards are changed at a full server of the realm, and this machine reaches none now")

// recalled are the failures that this server has counted by itself.
func (e *Engine) recalled(ctx context.Context, f *facts, s *session) error {
	d := e.Reads()
	if d == nil {
		return nil
	}
	return d.Memory.Read(ctx, func(tx *store.Tx) (err error) {
		if f.now, err = tx.Seen(f.now); err != nil {
			return err
		}
		if f.unlocked, err = tx.Unlocked(s.name); err != nil {
			return err
		}
		f.here, err = tx.FailuresAt(s.name, s.client.id, s.origin)
		return err
	})
}

// lifted drops what this server has counted of a name by itself, where an administrator has
// unlocked it since. The next failure forgets it for good.
func (e *Engine) lifted(f *facts, a *store.Attempt) {
	if e.Reads() != nil && a.Unlocked.After(f.unlocked) {
		f.here = nil
	}
}

// worse is the tally from which a failure counts on, of two of one spot.
func worse(b identity.Brake, now time.Time, one, other identity.Tally) identity.Tally {
	one, other = b.Now(one, now), b.Now(other, now)
	if other.Count > one.Count {
		one.Count, one.Since = other.Count, other.Since
	}
	if other.LockedUntil.After(one.LockedUntil) {
		one.LockedUntil = other.LockedUntil
	}
	return one
}

// merged are the failures of both databases.
func (f *facts) merged(stored map[store.Spot]identity.Tally) map[store.Spot]identity.Tally {
	for spot, t := range f.here {
		stored[spot] = worse(brakeAt(spot), f.now, stored[spot], t)
	}
	return stored
}

// failedHere counts a wrong answer in this server's own database, and keeps it for the
// report to a full one.
func (e *Engine) failedHere(ctx context.Context, s *session, kind identity.FactorKind, record func(*store.Tx) error) error {
	var list []brake
	var a store.Attempt
	err := e.Store.Once(ctx, func(tx *store.Tx) (err error) {
		a, err = tx.Attempt(s.client.id, s.name, s.origin)
		return err
	})
	if err != nil {
		return err
	}
	for _, b := range brakes(e.factors.counted(kind), s.client.id, s.origin, familiarWith(&a, e.Now())) {
		if !a.Beyond || b.spot.Machine != uuid.Nil { // as in countFailure
			list = append(list, b)
		}
	}
	err = e.memory().Write(ctx, func(tx *store.Tx) error {
		now, err := tx.Clock(e.Now())
		if err != nil {
			return err
		}
		if a.Known || a.Beyond {
			if err := tx.UnlockHere(s.name, a.Unlocked); err != nil {
				return err
			}
		}
		f := facts{now: now}
		if f.here, err = tx.FailuresAt(s.name, s.client.id, s.origin); err != nil {
			return err
		}
		tallies := f.merged(a.Failures)
		for _, b := range list {
			one := store.Failures{Spot: b.spot, Tally: b.Fail(tallies[b.spot], now)}
			if err := tx.SetFailuresOf(s.name, a.Known || a.Beyond, one, now); err != nil {
				return err
			}
		}
		err = tx.Unreport(store.Unreported{Made: now, Name: s.name, Kind: e.factors.counted(kind), Machine: s.client.id, Origin: s.origin})
		return errors.Join(err, record(tx))
	})
	e.Reads().Left.Notify()
	return err
}

// allowHere ends a session well at a server that only reads: what was used is marked in its
// own database before anything is handed out, and the tokens are of the standby.
func (e *Engine) allowHere(ctx context.Context, s *session, use func(*store.Tx) error) (answer, error) {
	if s.enrol != "" || s.remove != "" {
		return answer{}, errChangesNothing
	}
	a := answer{allow: true}
	err := e.Store.Read(ctx, func(tx *store.Tx) error {
		p, err := e.recheck(tx, s)
		if err != nil {
			return err
		}
		if a.id, err = e.TokenOf(ctx, tx, &p, false); err != nil {
			return err
		}
		a.session, err = e.sessionToken(tx, s, &p)
		return err
	})
	if err == nil {
		err = e.memory().Write(ctx, func(tx *store.Tx) error {
			if _, err := tx.Clock(e.Now()); err != nil {
				return err
			}
			if err := use(tx); err != nil {
				return err
			}
			if err := e.clearProved(tx, s); err != nil {
				return err
			}
			return e.record(tx, "auth.allow", s, "")
		})
	}
	if err != nil {
		return e.outdated(ctx, s, err)
	}
	e.Reads().Left.Notify()
	return a, nil
}

// useCode marks a code's time step as used, where this server keeps that.
func (e *Engine) useCode(tx *store.Tx, s *session, held store.TOTP, account store.Account, step int64) error {
	if e.Reads() == nil {
		return tx.UseTOTPStep(account.UUID, held.Epoch, step)
	}
	if err := tx.UseStepHere(account.UUID, held.Epoch, step); err != nil {
		return err
	}
	return tx.Unreport(store.Unreported{
		Made: e.Now(), Name: s.name, Kind: identity.TOTP, Machine: s.client.id, Origin: s.origin, Account: account.UUID, Epoch: held.Epoch, Step: step,
	})
}

// usedHere is the newest time step of the secret that was used at this server, where it
// keeps that by itself.
func (e *Engine) usedHere(ctx context.Context, account store.Account, held store.TOTP) (step int64, err error) {
	d := e.Reads()
	if d == nil {
		return 0, nil
	}
	err = d.Memory.Read(ctx, func(tx *store.Tx) (err error) {
		step, err = tx.UsedStep(account.UUID, held.Epoch)
		return err
	})
	return step, err
}

// withHere adds the failures of a name that this server has counted by itself, unless it
// was unlocked since.
func (e *Engine) withHere(ctx context.Context, tx *store.Tx, name identity.Name, list []store.Failures) ([]store.Failures, error) {
	d := e.Reads()
	if d == nil {
		return list, nil
	}
	at, err := tx.Unlocked(name)
	if err != nil {
		return nil, err
	}
	err = d.Memory.Read(ctx, func(tx *store.Tx) error {
		heard, err := tx.Unlocked(name)
		if err != nil || at.After(heard) {
			return err
		}
		here, err := tx.Failures(name)
		list = append(list, here...)
		return err
	})
	return list, err
}
