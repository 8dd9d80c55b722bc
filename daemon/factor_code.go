package daemon

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/offline"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// codeFactor is the one-time code. Where the server takes a backup code as well, one prompt
// is for both, and the form of what was typed tells which it is.
type codeFactor struct{}

func (codeFactor) typed(s *login) *identity.Secret { return &s.code }

func (codeFactor) ask(ctx context.Context, s *login, t step, others bool) (identity.Secret, error) {
	text := codePrompt
	if s.takesBackup(t) {
		text = codeOrBackup
	}
	return s.conv.Ask(ctx, identity.AskText, s.hinted(ctx, "", text, others)) //nolint:wrapcheck // all are one to the caller
}

func (codeFactor) answer(_ context.Context, s *login, _ step) (provider.Answer, checks.Ruling) {
	return provider.Answer{Kind: identity.TOTP, Credential: s.code}, checks.Fine("")
}

func (codeFactor) checkable(ctx context.Context, d *Gate, e *directory.Entry) checks.Ruling {
	return d.codes.MayCheck(ctx, e)
}

func (codeFactor) verify(ctx context.Context, s *login, _ provider.Answer) (identity.Factor, checks.Ruling) {
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
		r.Detail = "Refused. This machine's clock is " + report.Friendly(by) + " behind. Even a right code may be refused."
		r.Mend = "Set the clock, or connect to the network."
	}
	return step, r
}
