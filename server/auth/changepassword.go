package auth

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
	"github.com/sallyport-auth/sallyport/passwords"
	"github.com/sallyport-auth/sallyport/server/store"
)

// changePassword is one proof of the old password, under the same rules as a
// step, and then the new one. For an account that holds a one-time code the old
// password is not proof enough to replace it (NIST SP 800-63B, 4.1.2): the code is
// proved as well, and is used by that. One that was proved in the login which asks for
// the change counts (see dueCodes).
func (e *Engine) changePassword(ctx context.Context, c client, name identity.Name, origin string, old, code, replacement identity.Secret) (answer, error) {
	s := &session{client: c, name: name, origin: origin, service: "change-password"}
	f, done, err := e.turn(ctx, s, identity.Password)
	if err != nil {
		return answer{}, err
	}
	defer done()
	_, hasTOTP := f.totp()
	ok, _, err := e.provePassword(ctx, &f, old)
	switch {
	case err != nil:
		return answer{}, err
	case f.locked(identity.Password), hasTOTP && f.locked(identity.TOTP):
		return e.deny(ctx, s, answer{locked: true, reason: "locked"})
	case !ok:
		return e.failed(ctx, s, identity.Password, "password")
	}
	if why := Standing(f.account, e.Now()); why != "" {
		return e.deny(ctx, s, answer{message: why, reason: why})
	}
	proved := code.Len() == 0 && e.dues.counts(&f, e.Now())
	if hasTOTP && code.Len() == 0 && !proved {
		if _, err := e.deny(ctx, s, answer{reason: "the account demands more than a password"}); err != nil {
			return answer{}, err
		}
		return answer{}, errNeedsCode
	}
	rules, err := e.rulesFor(ctx, f.account)
	if err != nil {
		return answer{}, err
	}
	if opaque.Same(old, replacement) {
		return answer{}, passwords.RefusalError("That password is the old one.")
	}
	if err := e.good(rules, replacement); err != nil {
		return answer{}, err
	}
	step := int64(0)
	if hasTOTP && !proved {
		// Last, so that a new password that is refused costs no code.
		if step, ok, err = e.provedStep(&f, code); err != nil {
			return answer{}, err
		}
		if !ok {
			return e.failed(ctx, s, identity.TOTP, "totp")
		}
	}
	// Not before the code: whoever stole the password must not learn what was one before.
	if err := e.unused(ctx, f.client, rules, replacement); err != nil {
		return answer{}, err
	}
	phc, err := e.hasher.hash(ctx, f.client, replacement)
	if err != nil {
		return answer{}, err
	}
	return e.replacePassword(ctx, s, f, step, phc)
}

// provedStep is the step of a code that is right and was not used.
func (e *Engine) provedStep(f *facts, code identity.Secret) (step int64, ok bool, err error) {
	held, _ := f.totp()
	secret, err := e.Box.Open(f.account.UUID, held.Sealed)
	if err != nil {
		return 0, false, err
	}
	defer secret.Wipe()
	step, ok, err = identity.TOTPStep(secret, code, e.Now())
	return step, ok && step > held.LastStep, err
}

func (e *Engine) replacePassword(ctx context.Context, s *session, f facts, step int64, phc string) (answer, error) {
	ctx, cancel := recording(ctx)
	defer cancel()
	code, hasTOTP := f.totp()
	err := e.Write(ctx, func(tx *store.Tx) error {
		held, err := tx.Password(f.account.UUID)
		if err == nil && held.Epoch != f.password().Epoch {
			err = store.ErrChanged
		}
		if err != nil {
			return err
		}
		switch now, err := tx.TOTP(f.account.UUID); {
		case errors.Is(err, identity.ErrNotFound) && !hasTOTP:
		case err != nil:
			return err
		case !hasTOTP:
			return store.ErrChanged // enrolled meanwhile
		case now.Epoch != code.Epoch:
			return store.ErrChanged
		case step != 0: // 0: it was used by the login
			if err := tx.UseTOTPStep(f.account.UUID, code.Epoch, step); err != nil {
				return errors.Join(err, store.ErrChanged)
			}
		default:
		}
		now, err := tx.Clock(e.Now())
		if err != nil {
			return err
		}
		if err := tx.SetPassword(f.account.UUID, phc, now); err != nil {
			return err
		}
		return e.record(tx, "password.change", s, "")
	})
	if err != nil {
		return answer{}, err
	}
	e.dues.forget(s.client.id, f.account.UUID)
	a := answer{allow: true}
	// Signed only after the commit: a token of a revision that came to nothing
	// must not be found in the cache.
	err = e.Store.Read(ctx, func(tx *store.Tx) error {
		account, err := tx.Account(f.account.UUID)
		if err == nil {
			a.id, err = e.IDToken(ctx, tx, account)
		}
		return err
	})
	return a, err
}

// errNeedsCode says that the old password alone does not prove enough.
var errNeedsCode = errors.New("the account demands a one-time code as well")
