package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// backupFactor is a backup code. The server alone checks one.
type backupFactor struct{ unknownFactor }

func (backupFactor) typed(s *login) *identity.Secret { return &s.backup }

func (backupFactor) ask(ctx context.Context, s *login, _ step, others bool) (identity.Secret, error) {
	return s.conv.Ask(ctx, identity.AskText, s.hinted(ctx, "", backupCodePrompt, others)) //nolint:wrapcheck // all are one to the caller
}

func (backupFactor) answer(_ context.Context, s *login, _ step) (provider.Answer, checks.Ruling) {
	return provider.Answer{Kind: identity.BackupCode, Credential: s.backup}, checks.Fine("")
}
