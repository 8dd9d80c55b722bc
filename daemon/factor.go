package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// factor is one kind of proof at this machine: how it is asked for, answered with, and
// checked without the server. Each is a file, factor_*.go, and a row of the table.
type factor interface {
	// typed is where what was typed for it is kept until the attempt ends.
	typed(s *login) *identity.Secret
	// ask prompts for it; others tells that there is another way than to answer.
	ask(ctx context.Context, s *login, t step, others bool) (identity.Secret, error)
	// answer makes of what was typed what the server is sent, or verify is given. A ruling
	// that is to be told ends the attempt; any other refusal leaves the other factors.
	answer(ctx context.Context, s *login, t step) (provider.Answer, checks.Ruling)
	// checkable tells whether verify could say yes to anything, and why not.
	checkable(ctx context.Context, d *Gate, e *directory.Entry) checks.Ruling
	// verify checks an answer without the server. The caller holds the account's lock.
	verify(ctx context.Context, s *login, a provider.Answer) (identity.Factor, checks.Ruling)
}

// factorRow is a kind with its factor.
type factorRow struct {
	kind identity.FactorKind
	factor
}

// factors is what a server may ask for, in the order in which it is asked for where
// nothing else decides.
func factors() []factorRow {
	return []factorRow{
		{identity.Password, passwordFactor{}},
		{identity.TOTP, codeFactor{}},
		{identity.BackupCode, backupFactor{}},
		{identity.PIV, cardFactor{}},
	}
}

// factorOf is the factor of a kind. Of one that is not known nothing can be typed, asked
// for or checked.
func factorOf(k identity.FactorKind) factor {
	for _, row := range factors() {
		if row.kind == k {
			return row.factor
		}
	}
	return unknownFactor{}
}

// unknownFactor is one that this release does not know.
type unknownFactor struct{}

func (unknownFactor) typed(*login) *identity.Secret { return &identity.Secret{} }

func (unknownFactor) ask(context.Context, *login, step, bool) (identity.Secret, error) {
	return identity.Secret{}, nil
}

func (unknownFactor) answer(context.Context, *login, step) (provider.Answer, checks.Ruling) {
	return provider.Answer{}, notAskable()
}

func (unknownFactor) checkable(context.Context, *Gate, *directory.Entry) checks.Ruling {
	return checks.Ruling{Code: identity.NotPermitted}
}

func (unknownFactor) verify(context.Context, *login, provider.Answer) (identity.Factor, checks.Ruling) {
	return identity.Factor{}, checks.Ruling{Code: identity.Denied}
}
