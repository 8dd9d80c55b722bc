package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/offline"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// rightPassword checks what was typed, and for an account with a one-time code
// also the other reading of it, see identity.SplitCode. It is one attempt.
func (s *login) rightPassword(ctx context.Context, v cache.Verifier) (bool, error) {
	right, err := s.d.verifiers.IsOf(ctx, v, s.secret)
	if err != nil || right {
		return right, err
	}
	_, held := s.q.Entry.Epoch(identity.TOTP)
	front, _, ok := identity.SplitCode(s.secret)
	if !held || !ok || s.code.Len() > 0 {
		return false, nil
	}
	if right, err = s.d.verifiers.IsOf(ctx, v, front); err != nil || !right {
		return false, err
	}
	s.takeApart()
	return true, nil
}

// mayBeOneLine tells whether the server should read the answer both ways.
func (s *login) mayBeOneLine(offers []identity.FactorKind) bool {
	_, held := s.q.Entry.Epoch(identity.TOTP)
	_, _, ok := identity.SplitCode(s.secret)
	return held && ok && slices.Contains(offers, identity.PasswordAndTOTP)
}

// takeApart leaves the password in s.secret, which is handed on, and the code
// behind it in s.code.
func (s *login) takeApart() {
	if front, code, ok := identity.SplitCode(s.secret); ok {
		s.secret, s.code = front, code
	}
}

// forgetCode wipes what was typed beside the password.
func (s *login) forgetCode() {
	s.code.Wipe()
	s.backup.Wipe()
	s.code, s.backup = identity.Secret{}, identity.Secret{}
	s.card.forget()
	s.card = atReader{}
}

// verifyCode checks the code. The caller holds the account's lock.
func (s *login) verifyCode(ctx context.Context) (identity.Factor, checks.Ruling) {
	none, id := identity.Factor{}, s.q.Entry.Account().UUID
	if r := s.d.tries.Reserve(ctx, id, lockout.Code, s.Origin()); r.Code != identity.Granted {
		return none, r
	}
	step, r := s.codeStep(ctx)
	if r.Code != identity.Granted {
		if r.Code != identity.Denied {
			s.d.tries.TakeBack(ctx, id, lockout.Code, s.Origin())
		}
		return none, r
	}
	// On disk before anyone is told yes: a crash in between costs a code, and lets
	// nobody use one twice.
	epoch, err := s.d.codes.Use(ctx, s.q.Entry, step)
	switch {
	case errors.Is(err, cache.ErrUsed):
		return none, checks.Ruling{Code: identity.Denied}
	case err != nil:
		return none, lockout.Uncounted(err)
	}
	return identity.Factor{Kind: identity.TOTP, Epoch: epoch}, checks.Fine("")
}

// codeStep finds which step's code was typed.
func (s *login) codeStep(ctx context.Context) (int64, checks.Ruling) {
	d := s.d
	step, r := d.codes.Step(ctx, s.q.Entry, s.code, d.Clock().Now())
	if by := d.Clock().Behind(); r.Code == identity.Denied && by > offline.ClockTrouble {
		r.Tell = true
		r.Detail = "Refused. This machine's clock is " + report.Friendly(by) + " behind a time that is known for sure, so even a right code may be refused."
		r.Mend = "Set the clock, or connect to the network."
	}
	return step, r
}
