package identityservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// LoginUser implements IdentityServiceHandler.
func (s *Service) LoginUser(ctx context.Context, stream *connect.BidiStream[pb.LoginRequest, pb.LoginResponse]) error {
	first, err := receive(stream.Receive)
	if err != nil {
		return s.refused(ctx, err)
	}
	if w := first.GetWalletLoginRequest(); w != nil {
		return s.walletLogin(ctx, stream, w)
	}
	m := first.GetPakeLoginRequest().GetPakeCredentialRequestAndUserID()
	a, leave, err := s.enter(ctx, m.GetUserID(), m.GetDeviceID())
	if err != nil {
		return err
	}
	defer leave()
	server, err := s.pake(a.settings)
	if err != nil {
		return s.Fault(ctx, "login by OPAQUE", err)
	}
	l, err := s.guess(ctx, a)
	if err != nil {
		return err
	}
	ke2, attempt, err := server.Login(m.GetPakeCredentialRequest(), l.registered, string(a.name))
	if err != nil {
		return s.gaveUp(ctx, a, err)
	}
	err = stream.Send(&pb.LoginResponse{Data: &pb.LoginResponse_PakeLoginResponse{PakeLoginResponse: credentialResponse(ke2)}})
	if err != nil {
		return s.gaveUp(ctx, a, err)
	}
	last, err := receive(stream.Receive)
	if err == nil {
		err = attempt.Finish(last.GetPakeLoginRequest().GetPakeCredentialFinalization())
	}
	if err != nil {
		return s.gaveUp(ctx, a, err)
	}
	token, err := s.grant(ctx, a, l.account.UUID, byPassword, func(tx *store.Tx) error {
		return errors.Join(unchanged(tx, l), s.auth.GuessedRight(tx, l.guess))
	})
	if err != nil {
		return s.gaveUp(ctx, a, err)
	}
	return sent(stream.Send(&pb.LoginResponse{Data: &pb.LoginResponse_PakeLoginResponse{PakeLoginResponse: tokenResponse(token)}}))
}

// guessed is a login that was counted as a guess, and what is known of the account.
type guessed struct {
	guess      *auth.Guess
	account    *store.Account // nil for nobody
	registered *pake.Registered
	made       time.Time // of the registration
}

// guess counts one, and finds what the account has registered.
func (s *Service) guess(ctx context.Context, a asked) (g guessed, err error) {
	var until time.Time
	if g.guess, g.account, until, err = s.auth.Guessing(ctx, a.machine, a.name, origin(ctx)); err != nil {
		return g, s.Fault(ctx, "login by OPAQUE", err)
	}
	if g.guess == nil {
		wait := until.Sub(s.Now()).Round(time.Second)
		return g, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("too many wrong answers: wait %s", max(wait, time.Second)))
	}
	var of uuid.UUID // nobody's, which is looked up as well: it takes as long
	if g.account != nil {
		of = g.account.UUID
	}
	err = s.Store.Read(ctx, func(tx *store.Tx) error {
		r, err := tx.IdentityRecord(of)
		if err == nil {
			g.registered, g.made = &pake.Registered{Credential: r.Credential, Record: r.Record}, r.Made
		}
		return err
	})
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return g, s.Fault(ctx, "login by OPAQUE", err)
	}
	return g, nil
}

// proof is what a token is given for.
type proof struct {
	authType string
	wallet   []byte // its address
}

// by says it in the audit log.
func (p proof) by() string {
	if len(p.wallet) == 0 {
		return p.authType
	}
	return p.authType + " " + wallet.Address(p.wallet).String()
}

var byPassword = proof{authType: "password"} //nolint:gochecknoglobals // a constant

// grant gives the device a token if the account is in good standing, and does with besides. It
// is all done or nothing.
func (s *Service) grant(ctx context.Context, a asked, of uuid.UUID, p proof, with func(*store.Tx) error) ([]byte, error) {
	token, hash := newToken()
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		now := s.Now()
		account, err := tx.Account(of)
		if err != nil {
			return err
		}
		if why := auth.Standing(account, now); why != "" {
			return realm.RefusalError(why)
		}
		if err = with(tx); err != nil {
			return err
		}
		err = tx.SetIdentityToken(account.UUID, store.IdentityToken{Device: a.device, Hash: hash, AuthType: p.authType, Wallet: p.wallet, Created: now, Used: now}, mostDevices)
		if err != nil {
			return err
		}
		return s.record(tx, a, "identity.login", "by "+p.by()+", device "+a.device)
	})
	return token, err
}

// unchanged: a password that was registered anew meanwhile is another one.
func unchanged(tx *store.Tx, g guessed) error {
	r, err := tx.IdentityRecord(g.account.UUID)
	if err == nil && string(r.Credential) != string(g.registered.Credential) {
		err = pake.ErrWrong
	}
	return err
}

// refused says what may be said.
func (s *Service) refused(ctx context.Context, err error) error {
	var told realm.RefusalError
	switch {
	case errors.As(err, &told):
		return connect.NewError(connect.CodePermissionDenied, told)
	case errors.Is(err, pake.ErrWrong), errors.Is(err, identity.ErrNotFound):
		return errNo
	case errors.Is(err, pake.ErrMessage), errors.Is(err, io.EOF):
		return connect.NewError(connect.CodeInvalidArgument, pake.ErrMessage)
	}
	return s.Fault(ctx, "identity service", err)
}

// gaveUp notes a guess that came to nothing. It was counted when it was answered.
func (s *Service) gaveUp(ctx context.Context, a asked, why error) error {
	ctx2 := context.WithoutCancel(ctx)
	if s.Rows.Note(a.machine.UUID, "machine "+string(a.machine.Name), realm.RowDenial, s.Now()) {
		err := s.Store.Write(ctx2, func(tx *store.Tx) error { return s.record(tx, a, "identity.fail", "device "+a.device) })
		if err != nil {
			return s.Fault(ctx, "identity service", err)
		}
	}
	return s.refused(ctx, why)
}

// receive is the next message. One that does not come is the caller's fault.
func receive[T any](next func() (*T, error)) (*T, error) {
	m, err := next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", pake.ErrMessage, err)
	}
	return m, nil
}

func sent(err error) error {
	if err != nil {
		return connect.NewError(connect.CodeCanceled, err)
	}
	return nil
}

func credentialResponse(ke2 []byte) *pb.PakeLoginResponse {
	return &pb.PakeLoginResponse{Data: &pb.PakeLoginResponse_PakeCredentialResponse{PakeCredentialResponse: ke2}}
}

func tokenResponse(token []byte) *pb.PakeLoginResponse {
	return &pb.PakeLoginResponse{Data: &pb.PakeLoginResponse_Token{Token: token}}
}
