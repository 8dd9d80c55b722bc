package auth

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
)

// concatenatedFactor is an answer that may be a password and a one-time code in one,
// for programs that can send only one. A password that itself ends in six digits
// is still a password. Both readings are hashed for everyone, so the time tells
// nothing, and a line that is neither is one failure.
type concatenatedFactor struct{}

// traits: such a line begins with a password, and is guessed as one.
func (concatenatedFactor) traits() traits {
	return traits{kind: identity.PasswordAndTOTP, counted: identity.Password, first: true}
}

func (concatenatedFactor) step(ctx context.Context, t *attempt, line identity.Secret) (answer, error) {
	password, code, ok := identity.SplitCode(line)
	if !ok {
		return passwordFactor{}.step(ctx, t, line)
	}
	whole, rehash, err := t.provePassword(ctx, &t.f, line)
	if err != nil {
		return answer{}, err
	}
	t.s.concatenated = !whole
	front, _, err := t.provePassword(ctx, &t.f, password)
	_, hasTOTP := t.f.totp()
	switch {
	case err != nil:
		return answer{}, err
	case t.f.locked(identity.Password):
		return t.locked(ctx)
	case whole:
		return t.advance(ctx, t.f.provedPassword(rehash))
	case !front || !hasTOTP:
		return t.failed(ctx, identity.Password, "password")
	}
	if why := Standing(t.f.account, t.Now()); why != "" {
		return t.deny(ctx, answer{message: why, reason: why})
	}
	return t.takeCode(ctx, code, t.f.provedPassword("").proofs...)
}
