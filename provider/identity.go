package provider

import (
	"context"

	"github.com/sallyport-auth/sallyport/report"
)

// IdentityService is a server that vouches for the realm's people to other services
// (docs/identity-service.md). An error that people are to read is a [RequestError].
type IdentityService interface {
	// BeginIdentity begins a registration or a login of that account, and returns the server's
	// first message. The stream lives until it is closed or ctx ends.
	BeginIdentity(ctx context.Context, account string, b report.IdentityBegin) (IdentityStream, report.IdentityStep, error)
	// LoginByWallet returns a token of that account for a message that its wallet has signed.
	LoginByWallet(ctx context.Context, account string, w report.IdentityWallet) ([]byte, error)
	// VerifyIdentity tells whether a token is good. Only true without an error is a yes.
	VerifyIdentity(ctx context.Context, t report.IdentityToken) (bool, error)
	IdentityDevices(ctx context.Context, t report.IdentityToken) ([]report.IdentityDevice, error)
	RevokeIdentity(ctx context.Context, t report.IdentityToken) error
}

// IdentityStream is an exchange that waits for the person's next message.
type IdentityStream interface {
	// Next sends it, and returns what the server says to it. After an error, or with a
	// token, the exchange is over.
	Next(m report.IdentityMessage) (report.IdentityStep, error)
	Close()
}

// BeginIdentity implements [IdentityService].
func (d *Deferred) BeginIdentity(ctx context.Context, account string, b report.IdentityBegin) (stream IdentityStream, first report.IdentityStep, err error) {
	err = d.do(func(s *Source) error {
		stream, first, err = s.IdentityService.BeginIdentity(ctx, account, b)
		return err //nolint:wrapcheck // the source's own
	})
	return stream, first, err
}

// LoginByWallet implements [IdentityService].
func (d *Deferred) LoginByWallet(ctx context.Context, account string, w report.IdentityWallet) ([]byte, error) {
	return ask(d, func(s *Source) ([]byte, error) { return s.IdentityService.LoginByWallet(ctx, account, w) })
}

// VerifyIdentity implements [IdentityService].
func (d *Deferred) VerifyIdentity(ctx context.Context, t report.IdentityToken) (bool, error) {
	return ask(d, func(s *Source) (bool, error) { return s.IdentityService.VerifyIdentity(ctx, t) })
}

// IdentityDevices implements [IdentityService].
func (d *Deferred) IdentityDevices(ctx context.Context, t report.IdentityToken) ([]report.IdentityDevice, error) {
	return ask(d, func(s *Source) ([]report.IdentityDevice, error) { return s.IdentityService.IdentityDevices(ctx, t) })
}

// RevokeIdentity implements [IdentityService].
func (d *Deferred) RevokeIdentity(ctx context.Context, t report.IdentityToken) error {
	return d.do(func(s *Source) error { return s.IdentityService.RevokeIdentity(ctx, t) })
}
