package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// The identity service is the server's: this machine passes on what its people ask over
// control.sock. The peer's uid says whose account it is.

var errNoIdentities = errors.New("this realm has no identity service, because its server does not know of one")

// vouching is the realm's identity service, and the name of the peer's account.
func (d *Gate) vouching(peer identity.Peer) (provider.IdentityService, string, error) {
	if d.o.Provider.IdentityService == nil {
		return nil, "", errNoIdentities
	}
	e := d.Directory().WithUID(peer.UID)
	if e == nil {
		return nil, "", fmt.Errorf("%w: uid %d is no account of the realm", report.ErrForbidden, peer.UID)
	}
	return d.o.Provider.IdentityService, string(e.Account().Name), nil
}

// awayOr tells a server that does not answer from one that says no.
func awayOr(err error) error {
	if errors.Is(err, provider.ErrOffline) {
		return fmt.Errorf("%w: %w", report.ErrAway, err)
	}
	return err
}

func (d *Gate) identityBegin(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.IdentityBegin
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	service, account, err := d.vouching(peer)
	if err != nil {
		return err
	}
	step, err := d.streams.Begin(ctx, peer.UID, func(ctx context.Context) (provider.IdentityStream, report.IdentityStep, error) {
		return service.BeginIdentity(ctx, account, in)
	})
	if err != nil {
		return awayOr(err)
	}
	return emit(step)
}

func (d *Gate) identityNext(_ context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.IdentityNext
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	step, err := d.streams.Next(peer.UID, in.Handle, in.IdentityMessage)
	if err != nil {
		return awayOr(err)
	}
	return emit(step)
}

func (d *Gate) identityWallet(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	var in report.IdentityWallet
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	service, account, err := d.vouching(peer)
	if err != nil {
		return err
	}
	token, err := service.LoginByWallet(ctx, account, in)
	if err != nil {
		return awayOr(err)
	}
	return emit(report.IdentityStep{Token: token})
}

// identityVerify is for anyone: whoever asks has the token.
func (d *Gate) identityVerify(ctx context.Context, _ identity.Peer, args []byte, emit func(any) error) error {
	var in report.IdentityToken
	if err := report.Decode(args, &in); err != nil {
		return err
	}
	if d.o.Provider.IdentityService == nil {
		return errNoIdentities
	}
	valid, err := d.o.Provider.IdentityService.VerifyIdentity(ctx, in)
	if err != nil {
		return awayOr(err)
	}
	return emit(report.IdentityVerified{Valid: valid})
}

// ownToken reads a token of the peer's own account.
func (d *Gate) ownToken(peer identity.Peer, args []byte) (service provider.IdentityService, in report.IdentityToken, err error) {
	if err = report.Decode(args, &in); err != nil {
		return nil, in, err
	}
	service, in.Name, err = d.vouching(peer)
	return service, in, err
}

func (d *Gate) identityDevices(ctx context.Context, peer identity.Peer, args []byte, emit func(any) error) error {
	service, in, err := d.ownToken(peer, args)
	if err != nil {
		return err
	}
	all, err := service.IdentityDevices(ctx, in)
	if err != nil {
		return awayOr(err)
	}
	for _, one := range all {
		if err := emit(one); err != nil {
			return err
		}
	}
	return nil
}

func (d *Gate) identityRevoke(ctx context.Context, peer identity.Peer, args []byte, _ func(any) error) error {
	service, in, err := d.ownToken(peer, args)
	if err != nil {
		return err
	}
	return awayOr(service.RevokeIdentity(ctx, in))
}
