package server

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// enrolTries is how many answers may fail to confirm a new secret. They prove
// nothing, for the secret was shown a moment ago: they are no failures.
const enrolTries = 3

// proven goes on when everything that the account holds was proved: it ends in
// allow, or makes the new factor that Begin asked for.
func (e *engine) proven(ctx context.Context, m store.Machine, s *session, also func(*store.Tx) error) (answer, error) {
	if s.enrol != identity.TOTP {
		return e.allow(ctx, m, s, also)
	}
	rec, cancel := recording(ctx)
	defer cancel()
	err := e.store.Write(rec, func(tx *store.Tx) error {
		if _, err := e.recheck(tx, s); err != nil {
			return err
		}
		return also(tx)
	})
	if errors.Is(err, store.ErrChanged) || errors.Is(err, identity.ErrNotFound) {
		return e.deny(ctx, m, s, answer{reason: "the account changed meanwhile"})
	}
	if err != nil {
		return answer{}, err
	}
	var a answer
	if s.fresh, a.url, err = newTOTP(e.Name, s.name); err != nil {
		return answer{}, err
	}
	return e.offerNew(s, a)
}

func (e *engine) offerNew(s *session, a answer) (answer, error) {
	s.next = identity.NewTOTP
	var err error
	a.offers = []identity.FactorKind{identity.NewTOTP}
	a.cookie, err = e.sessions.put(s, e.now())
	return a, err
}

// confirmTOTP puts the new secret in the place of the old one, if a code shows
// that someone has it, and what was proved before still holds.
func (e *engine) confirmTOTP(ctx context.Context, m store.Machine, s *session, code identity.Secret) (answer, error) {
	step, ok, err := identity.TOTPStep(s.fresh, code, e.now())
	if err != nil {
		return answer{}, err
	}
	if !ok {
		if s.tries++; s.tries < enrolTries {
			return e.offerNew(s, answer{message: "That is not a code of the new secret; nothing has changed yet."})
		}
		s.fresh.Wipe()
		return e.deny(ctx, m, s, answer{message: "No code of the new secret was given. Nothing was changed.", reason: "totp not confirmed"})
	}
	defer s.fresh.Wipe()
	rec, cancel := recording(ctx)
	defer cancel()
	err = e.write(rec, func(tx *store.Tx) error {
		account, err := e.recheck(tx, s)
		if err != nil {
			return err
		}
		if err := tx.SetTOTP(account.UUID, e.box.seal(account.UUID, s.fresh), ""); err != nil {
			return err
		}
		set, err := tx.TOTP(account.UUID)
		if err != nil {
			return err
		}
		if err := tx.UseTOTPStep(account.UUID, set.Epoch, step); err != nil {
			return err
		}
		if err := tx.ClearFailures(s.name); err != nil {
			return err
		}
		s.proved = append(without(s.proved, identity.TOTP), proof{identity.TOTP, account.UUID, set.Epoch})
		return errors.Join(e.record(tx, m, "auth.allow", s, ""),
			tx.Record(entry(e.now(), m.Name, "account.enrol-totp", s, "")))
	})
	if errors.Is(err, store.ErrChanged) || errors.Is(err, identity.ErrNotFound) {
		return e.deny(ctx, m, s, answer{reason: "the account changed meanwhile"})
	}
	if err != nil {
		return answer{}, err
	}
	return e.enrolled(rec, m, s)
}

func without(list []proof, kind identity.FactorKind) []proof {
	var rest []proof
	for _, p := range list {
		if p.kind != kind {
			rest = append(rest, p)
		}
	}
	return rest
}

// enrolled answers after the commit: a token of a revision that came to nothing
// must not be found in the cache.
func (e *engine) enrolled(ctx context.Context, m store.Machine, s *session) (answer, error) {
	a := answer{allow: true}
	err := e.store.Write(ctx, func(tx *store.Tx) error {
		account, err := e.recheck(tx, s)
		if err != nil {
			return err
		}
		if a.id, err = e.idToken(tx, account); err != nil {
			return err
		}
		if a.session, err = e.sessionToken(tx, m, s, account); err != nil {
			return err
		}
		a.sealed, err = e.sealFactors(tx, m, s, account)
		return err
	})
	return a, err
}
