package identityservice

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/identityservice/settings"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	tokenLen  = 32        // random bytes
	usedEvery = time.Hour // how often it is written down that a token was used
)

// newToken makes one, and what is stored of it. A fast hash will do for 256 random bits.
func newToken() (token, hash []byte) {
	token = make([]byte, tokenLen)
	_, _ = rand.Read(token) // never fails
	return token, hashToken(token)
}

func hashToken(token []byte) []byte {
	h := sha256.Sum256(append([]byte("sallyport identity token\x00"), token...))
	return h[:]
}

// holder is the account that such a token is good for, and what is kept of the token;
// identity.ErrNotFound where it is not, whyever. What is compared takes as long for a wrong
// one as for a right one.
func (s *Service) holder(ctx context.Context, a asked, token []byte) (account store.Account, k store.IdentityToken, err error) {
	hash := hashToken(token)
	err = s.Store.Read(ctx, func(tx *store.Tx) error {
		if account, err = tx.AccountFor(a.machine.UUID, a.name); err != nil {
			return err
		}
		k, err = tx.IdentityToken(account.UUID, a.device)
		return err
	})
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return account, k, err
	}
	kept := k.Hash
	if err != nil {
		kept = make([]byte, len(hash)) // of no token
	}
	now := s.Now()
	same := subtle.ConstantTimeCompare(kept, hash) == 1
	if err != nil || !same || len(token) != tokenLen || !now.Before(settings.Expires(k, a.settings)) || auth.Standing(account, now) != "" {
		return account, k, identity.ErrNotFound
	}
	return account, k, nil
}

// VerifyUserToken implements IdentityServiceHandler.
func (s *Service) VerifyUserToken(ctx context.Context, req *pb.VerifyUserTokenRequest) (*pb.VerifyUserTokenResponse, error) {
	a, err := s.begin(ctx, req.GetUserID(), req.GetDeviceID())
	if err != nil {
		return nil, err
	}
	account, k, err := s.holder(ctx, a, req.GetToken())
	if errors.Is(err, identity.ErrNotFound) {
		return &pb.VerifyUserTokenResponse{}, nil
	}
	if err != nil {
		return nil, s.Fault(ctx, "verify a token", err)
	}
	if now := s.Now(); now.Sub(k.Used) >= usedEvery {
		err := s.Store.Write(ctx, func(tx *store.Tx) error { return tx.UsedIdentityToken(account.UUID, a.device, k.Hash, now) })
		if err != nil && !errors.Is(err, store.ErrReadOnly) { // a server that only reads notes nothing
			return nil, s.Fault(ctx, "note that a token was used", err)
		}
	}
	return &pb.VerifyUserTokenResponse{TokenValid: true}, nil
}

var errToken = connect.NewError(connect.CodeUnauthenticated, errors.New("the token is not good: log in again"))

// RevokeToken implements IdentityServiceHandler.
func (s *Service) RevokeToken(ctx context.Context, req *pb.RevokeTokenRequest) (*pb.RevokeTokenResponse, error) {
	a, account, err := s.byToken(ctx, req.GetUserID(), req.GetDeviceID(), req.GetToken())
	if err != nil {
		return nil, err
	}
	device := a.device
	if req.GetEnds() != "" {
		device = req.GetEnds()
	}
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.RemoveIdentityToken(account.UUID, device); err != nil {
			return err
		}
		return s.record(tx, a, "identity.revoke", "device "+device)
	})
	if errors.Is(err, identity.ErrNotFound) {
		return nil, connect.NewError(connect.CodeNotFound, errors.New("that device has no token"))
	}
	if err != nil {
		return nil, s.Fault(ctx, "revoke a token", err)
	}
	return &pb.RevokeTokenResponse{}, nil
}

// ListDevices implements IdentityServiceHandler.
func (s *Service) ListDevices(ctx context.Context, req *pb.ListDevicesRequest) (*pb.ListDevicesResponse, error) {
	a, account, err := s.byToken(ctx, req.GetUserID(), req.GetDeviceID(), req.GetToken())
	if err != nil {
		return nil, err
	}
	resp := &pb.ListDevicesResponse{}
	err = s.Store.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.IdentityTokens(account.UUID)
		for _, k := range list {
			if end := settings.Expires(k, a.settings); s.Now().Before(end) {
				resp.Devices = append(resp.Devices, &pb.Device{DeviceID: k.Device, AuthType: k.AuthType, Created: k.Created.Unix(), Used: k.Used.Unix(), Expires: end.Unix()})
			}
		}
		return err
	})
	if err != nil {
		return nil, s.Fault(ctx, "list devices", err)
	}
	return resp, nil
}

// byToken is who asks with a token of their own.
func (s *Service) byToken(ctx context.Context, user, device string, token []byte) (asked, store.Account, error) {
	a, err := s.begin(ctx, user, device)
	if err != nil {
		return a, store.Account{}, err
	}
	account, _, err := s.holder(ctx, a, token)
	if errors.Is(err, identity.ErrNotFound) {
		return a, account, errToken
	}
	if err != nil {
		return a, account, s.Fault(ctx, "verify a token", err)
	}
	return a, account, nil
}
