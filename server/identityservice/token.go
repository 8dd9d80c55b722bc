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
	"github.com/sallyport-auth/sallyport/server/realm"
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
	return token, HashToken(token)
}

// HashToken is what is stored of a token.
func HashToken(token []byte) []byte {
	h := sha256.Sum256(append([]byte("sallyport identity token\x00"), token...))
	return h[:]
}

// good tells whether a token is the one that is held, and may be used. What is compared takes
// as long for a wrong one as for a right one.
func (s *Service) good(h store.HeldToken, token []byte) bool {
	now := s.Now()
	same := subtle.ConstantTimeCompare(h.Token.Hash, HashToken(token)) == 1
	return same && len(token) == tokenLen && now.Before(settings.Expires(h.Token, h.Service)) && auth.Standing(h.Account, now) == ""
}

// holder is the account that such a token is good for, and what is kept of the token;
// identity.ErrNotFound where it is not, whyever.
func (s *Service) holder(ctx context.Context, a asked, token []byte) (account store.Account, k store.IdentityToken, err error) {
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
	if err != nil {
		k.Hash = make([]byte, sha256.Size) // of no token
	}
	if is := s.good(store.HeldToken{Service: a.settings, Account: account, Token: k}, token); !is || err != nil {
		return account, k, identity.ErrNotFound
	}
	return account, k, nil
}

// verified is holder of what a service asks. What most ask is one question to the database,
// which those who come at the same time share; where its answer is none, it is found out why.
func (s *Service) verified(ctx context.Context, req *pb.VerifyUserTokenRequest) (store.Account, store.IdentityToken, error) {
	name, err := identity.ParseName(req.GetUserID())
	if key := realm.CallerOf(ctx).Key; err == nil && key != nil && isDevice(req.GetDeviceID()) {
		h, err := s.Store.IdentityTokenForKey(ctx, key, name, req.GetDeviceID())
		switch {
		case err == nil && s.good(h, req.GetToken()):
			return h.Account, h.Token, nil
		case err == nil:
			return h.Account, h.Token, identity.ErrNotFound
		case !errors.Is(err, identity.ErrNotFound):
			return h.Account, h.Token, err
		}
	}
	a, err := s.begin(ctx, req.GetUserID(), req.GetDeviceID())
	if err != nil {
		return store.Account{}, store.IdentityToken{}, err
	}
	return s.holder(ctx, a, req.GetToken())
}

// VerifyUserToken implements IdentityServiceHandler.
func (s *Service) VerifyUserToken(ctx context.Context, req *pb.VerifyUserTokenRequest) (*pb.VerifyUserTokenResponse, error) {
	account, k, err := s.verified(ctx, req)
	if errors.Is(err, identity.ErrNotFound) {
		return &pb.VerifyUserTokenResponse{}, nil
	}
	if err != nil {
		return nil, s.Fault(ctx, "verify a token", err)
	}
	if now := s.Now(); now.Sub(k.Used) >= usedEvery {
		err := s.Store.Write(ctx, func(tx *store.Tx) error { return tx.UsedIdentityToken(account.UUID, k.Device, k.Hash, now) })
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
