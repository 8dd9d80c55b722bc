package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// facts are what a step is judged by, read at one moment.
type facts struct {
	now      time.Time
	known    bool
	account  store.Account
	password store.Password
	totp     store.TOTP
	hasTOTP  bool
	cards    []store.Card // those that were revoked too
	backup   store.BackupCodes
	points   identity.Points
	held     []identity.FactorKind
	failures map[identity.FactorKind]store.Failures
}

// locked tells whether failures of that factor lock it. Both kinds of code are one.
func (f *facts) locked(kind identity.FactorKind) bool {
	return f.now.Before(f.failures[counted(kind)].LockedUntil)
}

// counted is what failures of a kind are counted for: a backup code is guessed at the
// same prompt as a one-time code.
func counted(kind identity.FactorKind) identity.FactorKind {
	if kind == identity.BackupCode {
		return identity.TOTP
	}
	return kind
}

func (e *engine) facts(ctx context.Context, name identity.Name) (f facts, err error) {
	err = e.store.Read(ctx, func(tx *store.Tx) error {
		if f.now, err = tx.Seen(e.now()); err != nil {
			return err
		}
		if f.failures, err = tx.Failures(name); err != nil {
			return err
		}
		if f.points, err = tx.Points(); err != nil {
			return err
		}
		f.account, err = tx.AccountByName(name)
		if errors.Is(err, identity.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		f.known = true
		return f.credentials(tx)
	})
	return f, err
}

func (f *facts) credentials(tx *store.Tx) error {
	id := f.account.UUID
	factors, err := tx.Factors(id)
	if err != nil {
		return err
	}
	f.held = identity.Kinds(factors)
	if f.password, err = tx.Password(id); err != nil && !errors.Is(err, identity.ErrNotFound) {
		return err
	}
	if f.totp, err = tx.TOTP(id); err != nil && !errors.Is(err, identity.ErrNotFound) {
		return err
	}
	f.hasTOTP = err == nil
	if f.cards, err = tx.Cards(id); err != nil {
		return err
	}
	f.backup, err = tx.BackupCodes(id)
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	return err
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
		return k == identity.BackupCode && f.backup.Left == 0
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
