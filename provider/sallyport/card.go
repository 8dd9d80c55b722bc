package sallyport

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// CardCertificate implements provider.CardProver.
func (p *Provider) CardCertificate(ctx context.Context) (identity.CardServiceOffer, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	var resp *v1.GetCertificateResponse
	at, err := p.askAt(ctx, true, func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.cards.GetCertificate(ctx, &v1.GetCertificateRequest{})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return identity.CardServiceOffer{}, meaning("get the card service certificate", err)
	}
	switch resp.GetStatus() {
	case v1.GetCertificateResponse_STATUS_OK:
		p.challenged.Store(&challenged{at, resp.GetChallenge()})
		return identity.CardServiceOffer{Certificate: resp.GetCertificate(), Challenge: resp.GetChallenge()}, nil
	case v1.GetCertificateResponse_STATUS_NOT_AVAILABLE:
		return identity.CardServiceOffer{}, identity.ErrCardServiceOff
	default:
		return identity.CardServiceOffer{}, unknownStatus(resp.GetStatus())
	}
}

// CardChallenge implements provider.CardProver.
func (p *Provider) CardChallenge(ctx context.Context, c identity.CardServiceClaim) ([]byte, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	var resp *v1.AnswerChallengeResponse
	answer := func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.cards.AnswerChallenge(ctx, &v1.AnswerChallengeRequest{
			MiddlewareChallenge: c.Challenge, MiddlewareSignature: c.Signature, ServerChallenge: c.ServerChallenge, PubkeyId: c.KeyIndex,
		})
		return err //nolint:wrapcheck // below
	}
	var err error
	if given := p.challenged.Load(); given != nil && bytes.Equal(given.challenge, c.Challenge) {
		err = given.at.try(ctx, limit{}, answer).err // no other server knows the challenge
	} else {
		err = p.ask(ctx, false, answer)
	}
	if err != nil {
		return nil, meaning("prove the card service", err)
	}
	switch resp.GetStatus() {
	case v1.AnswerChallengeResponse_STATUS_OK:
		return resp.GetServerSignature(), nil
	case v1.AnswerChallengeResponse_STATUS_NOT_AVAILABLE:
		return nil, identity.ErrCardServiceOff
	case v1.AnswerChallengeResponse_STATUS_UNKNOWN_MIDDLEWARE_PUBLIC_KEY:
		return nil, identity.ErrCardServiceKey
	case v1.AnswerChallengeResponse_STATUS_INVALID_MIDDLEWARE_SIGNATURE:
		return nil, identity.ErrCardServiceProof
	default:
		return nil, unknownStatus(resp.GetStatus())
	}
}

// challenged is the last challenge for a card service, and which server gave it.
type challenged struct {
	at        *endpoint
	challenge []byte
}

// unknownStatus is a refusal: the server was reached, and did not say yes.
func unknownStatus(s fmt.Stringer) error {
	return fmt.Errorf("%w: the server answered %s", identity.ErrCardServiceProof, s)
}

var _ provider.CardProver = (*Provider)(nil)
