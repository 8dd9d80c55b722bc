package sallyport

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

var _ provider.Verifier = (*Provider)(nil)

// SetVerifyKey implements provider.Verifier.
func (p *Provider) SetVerifyKey(ctx context.Context, session, public []byte) (time.Time, error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.SetVerifyKeyResponse
	err := p.request(ctx, "set a key to verify with", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.verify.SetVerifyKey(ctx, &v1.SetVerifyKeyRequest{SessionToken: session, PublicKey: public})
		return err //nolint:wrapcheck // by request
	})
	return moment(resp.GetMade()), err
}

// FindVerifyPerson implements provider.Verifier.
func (p *Provider) FindVerifyPerson(ctx context.Context, account, name string) (person, own provider.VerifyPerson, err error) {
	ctx, cancel := p.within(ctx)
	defer cancel()
	var resp *v1.FindVerifyPersonResponse
	err = p.request(ctx, "find somebody to verify", func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.verify.FindVerifyPerson(ctx, &v1.FindVerifyPersonRequest{Account: account, Name: name})
		return err //nolint:wrapcheck // by request
	})
	if err == nil {
		person, err = verifyPerson(resp.GetPerson(), name)
	}
	if err == nil {
		own, err = verifyPerson(resp.GetOwn(), account)
	}
	return person, own, err
}

// verifyPerson is somebody as the server tells them: it must be whom was asked about.
func verifyPerson(v *v1.VerifyPerson, name string) (p provider.VerifyPerson, err error) {
	if p.ID, err = uuid.FromBytes(v.GetId()); err != nil {
		return p, fmt.Errorf("the server's answer: %w", err)
	}
	if err := verify.CheckPublic(v.GetPublicKey()); err != nil {
		return p, fmt.Errorf("the server's answer: %w", err)
	}
	if v.GetName() != name {
		return p, fmt.Errorf("the server was asked about %q and answered about %q", name, identity.Printable(v.GetName()))
	}
	p.Name, p.FullName, p.Public, p.Made = name, identity.Printable(v.GetFullName()), v.GetPublicKey(), moment(v.GetMade())
	return p, nil
}

// NoteVerification implements provider.Verifier.
func (p *Provider) NoteVerification(ctx context.Context, account string, id uuid.UUID, confirmed bool) error {
	ctx, cancel := p.within(ctx)
	defer cancel()
	return p.request(ctx, "note a verification", func(ctx context.Context, e *endpoint) error {
		_, err := e.verify.NoteVerification(ctx, &v1.NoteVerificationRequest{Account: account, Id: id[:], Confirmed: confirmed})
		return err //nolint:wrapcheck // by request
	})
}
