package server

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// stepOneLine takes an answer that may be a password and a one-time code in one,
// for programs that can send only one. A password that itself ends in six digits
// is still a password. Both readings are hashed for everyone, so the time tells
// nothing, and a line that is neither is one failure.
func (e *engine) stepOneLine(ctx context.Context, m store.Machine, s *session, f facts, line identity.Secret) (answer, error) {
	password, code, ok := identity.SplitCode(line)
	if !ok {
		return e.stepPassword(ctx, m, s, f, line)
	}
	whole, rehash, err := e.provePassword(ctx, f, line)
	if err != nil {
		return answer{}, err
	}
	front, _, err := e.provePassword(ctx, f, password)
	switch {
	case err != nil:
		return answer{}, err
	case f.locked():
		return e.deny(ctx, m, s, answer{locked: true, reason: "locked"})
	case whole:
		return e.passwordProved(ctx, m, s, f, rehash)
	case !front || !f.hasTOTP:
		return e.failed(ctx, m, s, "password")
	}
	if why := standing(f.account, e.now()); why != "" {
		return e.deny(ctx, m, s, answer{message: why, reason: why})
	}
	s.proved = append(s.proved, proof{identity.Password, f.account.UUID, f.password.Epoch})
	return e.stepTOTP(ctx, m, s, f, code)
}
