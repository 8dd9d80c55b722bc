package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// passwordFactor is the password. It may be one line with a code behind it.
type passwordFactor struct{}

func (passwordFactor) typed(s *login) *identity.Secret { return &s.secret }

func (passwordFactor) ask(ctx context.Context, s *login, _ step, _ bool) (identity.Secret, error) {
	s.asked = true
	text := identity.PasswordPrompt
	if s.Operation == identity.OpAccount {
		// sudo puts its own prompt in the usual one's place, which it has not filled
		// in yet when it has asked nothing: the person would see "%p".
		text = "Password for " + string(s.q.Entry.Account().Name) + ": "
	}
	return s.conv.Ask(ctx, identity.AskSecret, text) //nolint:wrapcheck // all are one to the caller
}

func (passwordFactor) answer(_ context.Context, s *login, t step) (provider.Answer, checks.Ruling) {
	a := provider.Answer{Kind: identity.Password, Credential: s.secret}
	if s.mayBeOneLine(t.offers) {
		a.Kind = identity.PasswordAndTOTP
	}
	return a, checks.Fine("")
}

func (passwordFactor) checkable(ctx context.Context, d *Gate, e *directory.Entry) checks.Ruling {
	_, r := d.verifiers.Of(ctx, e)
	return r
}

func (passwordFactor) verify(ctx context.Context, s *login, _ provider.Answer) (identity.Factor, checks.Ruling) {
	d, none := s.d, identity.Factor{}
	v, r := d.verifiers.Of(ctx, s.q.Entry)
	if r.Code != identity.Granted {
		return none, r
	}
	if r = d.tries.Reserve(ctx, v.UUID, lockout.Password, s.Origin()); r.Code != identity.Granted {
		return none, r
	}
	right, err := s.rightPassword(ctx, v)
	switch {
	case err != nil:
		d.tries.TakeBack(ctx, v.UUID, lockout.Password, s.Origin())
		d.log.ErrorContext(ctx, "offline verifier", "error", err)
		return none, checks.Ruling{Code: identity.Unavailable}
	case !right:
		return none, checks.Ruling{Code: identity.Denied}
	}
	return identity.Factor{Kind: identity.Password, Epoch: v.Epoch}, checks.Fine("")
}

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
