package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// changePassword is one proof of the old password, under the same rules as a
// step, and then the new one. For an account that holds a further factor the old
// password is not proof enough to replace it (NIST SP 800-63B, 4.1.2), and this
// call cannot carry the other one: such an account is refused, and its password is
// changed by an administrator.
func (e *engine) changePassword(ctx context.Context, m store.Machine, name identity.Name, old, replacement identity.Secret) (answer, error) {
	s := &session{machine: m.UUID, name: name, service: "change-password"}
	done, err := e.turns.take(ctx, name)
	if err != nil {
		return answer{}, err
	}
	defer done()
	f, err := e.facts(ctx, name)
	if err != nil {
		return answer{}, err
	}
	ok, _, err := e.provePassword(ctx, f, old)
	switch {
	case err != nil:
		return answer{}, err
	case f.locked():
		return e.deny(ctx, m, s, answer{locked: true, reason: "locked"})
	case !ok:
		return e.failed(ctx, m, s, "password")
	}
	if why := standing(f.account, e.now()); why != "" {
		return e.deny(ctx, m, s, answer{message: why, reason: why})
	}
	if f.hasTOTP {
		if _, err := e.deny(ctx, m, s, answer{reason: "the account demands more than a password"}); err != nil {
			return answer{}, err
		}
		return answer{}, errNeedsCode
	}
	if string(old.Reveal()) == string(replacement.Reveal()) {
		return answer{}, fmt.Errorf("%w: it is the old one", errWeak)
	}
	if err := checkPassword(replacement, name); err != nil {
		return answer{}, fmt.Errorf("%w: %w", errWeak, err)
	}
	phc, err := e.hasher.hash(ctx, replacement)
	if err != nil {
		return answer{}, err
	}
	return e.replacePassword(ctx, m, s, f, phc)
}

func (e *engine) replacePassword(ctx context.Context, m store.Machine, s *session, f facts, phc string) (answer, error) {
	ctx, cancel := recording(ctx)
	defer cancel()
	err := e.write(ctx, func(tx *store.Tx) error {
		held, err := tx.Password(f.account.UUID)
		if err == nil && held.Epoch != f.password.Epoch {
			err = store.ErrChanged
		}
		if err != nil {
			return err
		}
		if err := tx.SetPassword(f.account.UUID, phc); err != nil {
			return err
		}
		return e.record(tx, m, "password.change", s, "")
	})
	if err != nil {
		return answer{}, err
	}
	a := answer{allow: true}
	// Signed only after the commit: a token of a revision that came to nothing
	// must not be found in the cache.
	err = e.store.Read(ctx, func(tx *store.Tx) error {
		account, err := tx.Account(f.account.UUID)
		if err == nil {
			a.id, err = e.idToken(tx, account)
		}
		return err
	})
	return a, err
}

// errWeak says that a new password is refused, and why.
var errWeak = errors.New("the new password is refused")

// errNeedsCode says that the old password alone does not prove enough.
var errNeedsCode = errors.New("the account demands a one-time code, which a change of password cannot be given")
