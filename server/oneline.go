package server

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
)

// stepOneLine takes an answer that may be a password and a one-time code in one,
// for programs that can send only one. A password that itself ends in six digits
// is still a password. Both readings are hashed for everyone, so the time tells
// nothing, and a line that is neither is one failure.
func (e *engine) stepOneLine(ctx context.Context, s *session, f facts, line identity.Secret, more bool) (answer, error) {
	password, code, ok := identity.SplitCode(line)
	if !ok {
		return e.stepPassword(ctx, s, f, line, more)
	}
	whole, rehash, err := e.provePassword(ctx, f, line)
	if err != nil {
		return answer{}, err
	}
	front, _, err := e.provePassword(ctx, f, password)
	switch {
	case err != nil:
		return answer{}, err
	case f.locked(identity.Password):
		return e.deny(ctx, s, answer{locked: true, reason: "locked"})
	case whole:
		return e.advance(ctx, s, f, f.gainPassword(rehash), more)
	case !front || !f.hasTOTP:
		return e.failed(ctx, s, identity.Password, "password")
	}
	if why := standing(f.account, e.now()); why != "" {
		return e.deny(ctx, s, answer{message: why, reason: why})
	}
	return e.stepTOTP(ctx, s, f, code, more, f.gainPassword("").proofs...)
}
