package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// cardFactor is a smartcard with its PIN: see cardlogin.go.
type cardFactor struct{}

func (cardFactor) typed(s *login) *identity.Secret { return &s.card.pin }

func (cardFactor) ask(ctx context.Context, s *login, _ step, others bool) (identity.Secret, error) {
	return s.conv.Ask(ctx, identity.AskSecret, s.hinted(ctx, typePIN, s.card.prompt(), others)) //nolint:wrapcheck // all are one to the caller
}

func (cardFactor) answer(ctx context.Context, s *login, t step) (provider.Answer, checks.Ruling) {
	signature, r := s.signed(ctx, t.nonce)
	return provider.Answer{Kind: identity.PIV, Credential: signature}, r
}

func (cardFactor) checkable(_ context.Context, d *Gate, _ *directory.Entry) checks.Ruling {
	if !d.reader.Exists() {
		return checks.Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "Offline, and this machine has no card service.", Mend: connect,
		}
	}
	return checks.Fine("")
}

// verify checks a card's signature over this machine's own challenge, with the
// certificate of the account's present token.
func (cardFactor) verify(ctx context.Context, s *login, a provider.Answer) (identity.Factor, checks.Ruling) {
	d, none := s.d, identity.Factor{}
	t, err := d.SignedToken(ctx, s.q.Entry)
	if err == nil {
		s.card.factor, err = cards.Fits(t, s.card.seen, d.Clock().Now())
	}
	if err != nil {
		s.cardFault(ctx, err)
		return none, s.noMethod()
	}
	if r := d.tries.Reserve(ctx, s.q.Entry.Account().UUID, lockout.Card, s.Origin()); r.Code != identity.Granted {
		return none, r
	}
	proof, err := identity.ParseCardProof(a.Credential.Reveal())
	if err == nil {
		err = proof.Verify(s.card.factor.Certificate, s.card.challenge)
	}
	if err != nil {
		d.log.WarnContext(ctx, "a card's answer is refused", "account", s.q.Entry.Account().Name, "error", err)
		return none, checks.Ruling{Code: identity.Denied}
	}
	return identity.Factor{Kind: identity.PIV, Epoch: s.card.factor.Epoch}, checks.Fine("")
}
