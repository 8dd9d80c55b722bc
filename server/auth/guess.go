package auth

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Guess is a password that somebody tries by OPAQUE (package identityservice). Who guesses
// knows whether it was right before the server does, and need not tell: so each one counts as
// a failure when it is answered, by the brakes of passwords, and [Engine.GuessedRight] takes
// back what was counted.
type Guess struct {
	session *session
	counted []counted
}

// counted is a failure at one spot, and the tally before and with it.
type counted struct {
	spot         store.Spot
	before, with identity.Tally
}

// Guessing counts a guess at somebody's password at a machine. It counts none, and tells until
// when, where the place is locked; the account is that of the name, where the machine may know
// it and it is known.
func (e *Engine) Guessing(ctx context.Context, m store.Machine, name identity.Name, origin identity.Origin) (*Guess, *store.Account, time.Time, error) {
	s := &session{client: machineAsClient(m), name: name, origin: origin.String()}
	f, err := e.facts(ctx, s)
	if err != nil || f.locked(identity.Password) {
		return nil, nil, f.until[identity.Password], err
	}
	g := &Guess{session: s}
	until, err := e.countGuess(ctx, s, f.now, &g.counted)
	if err != nil || !until.IsZero() {
		return nil, nil, until, err
	}
	if !f.known {
		return g, nil, time.Time{}, nil
	}
	return g, &f.account, time.Time{}, nil
}

// countGuess counts one where it could be locked. It counts none, and tells until when, where
// others have locked the place since the facts were read.
func (e *Engine) countGuess(ctx context.Context, s *session, now time.Time, into *[]counted) (until time.Time, err error) {
	err = e.Store.Write(ctx, func(tx *store.Tx) (err error) {
		*into, err = e.count(tx, s, identity.Password)
		for _, c := range *into {
			if c.before.Locked(now) {
				until = c.before.LockedUntil
				return errLockedMeanwhile
			}
		}
		return err
	})
	if errors.Is(err, errLockedMeanwhile) {
		return until, nil
	}
	return time.Time{}, err
}

// errLockedMeanwhile undoes a count.
var errLockedMeanwhile = errors.New("locked meanwhile")

// GuessedRight takes back what the guess was counted as, and forgets the failures of where it
// was made, as any right answer does.
func (e *Engine) GuessedRight(tx *store.Tx, g *Guess) error {
	s := g.session
	if err := e.takeBack(tx, s, g.counted); err != nil {
		return err
	}
	return tx.ClearFailuresAt(s.name, store.Spot{Kind: e.factors.counted(identity.Password), Machine: s.client.id, Origin: s.origin})
}

// takeBack takes back what a guess was counted as, and nothing of others.
func (e *Engine) takeBack(tx *store.Tx, s *session, list []counted) error {
	now, err := tx.Clock(e.Now())
	if err != nil {
		return err
	}
	a, err := tx.Attempt(s.client.id, s.name, s.origin)
	if err != nil {
		return err
	}
	for _, c := range list {
		is := a.Failures[c.spot]
		if is.Count > 0 {
			is.Count--
		}
		if is.LockedUntil.Equal(c.with.LockedUntil) { // by this guess, and by no other since
			is.LockedUntil = c.before.LockedUntil
		}
		if err := tx.SetFailuresOf(s.name, a.Known || a.Beyond, store.Failures{Spot: c.spot, Tally: is}, now); err != nil {
			return err
		}
	}
	return nil
}
