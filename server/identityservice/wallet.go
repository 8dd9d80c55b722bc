package identityservice

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	pb "github.com/sallyport-auth/sallyport/proto/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// What is said where a wallet does not let somebody in: the same of a signature by another
// key, a wallet that is nobody's or another's, and an account that there is not.
var (
	errNoWallet = connect.NewError(connect.CodeUnauthenticated,
		errors.New("the signature is not by that wallet, or the wallet is not one of the account's: an administrator adds it with \"sallyport-server identity add-wallet NAME ADDRESS\""))
	errUsed = connect.NewError(connect.CodeUnauthenticated, errors.New("the signed message was used already, and is good for one login: sign a new one"))
)

// walletLogin is a login of one message. A signature cannot be guessed, so a wrong one counts
// as no wrong answer, and locks nobody out: what it costs is bounded by the places of streams.
//
// No account is looked up until the signature is found to be by a wallet that somebody
// enrolled. So a stranger learns nothing about accounts, by the answer or by its time.
func (s *Service) walletLogin(ctx context.Context, stream *connect.BidiStream[pb.LoginRequest, pb.LoginResponse], w *pb.WalletLoginRequest) error {
	a, leave, err := s.enter(ctx, w.GetUserID(), w.GetDeviceID())
	if err != nil {
		return err
	}
	defer leave()
	login := wallet.Login{Realm: s.Name, Chain: a.settings.WalletChain, Device: a.device}
	address, err := wallet.ParseAddress(w.GetWalletAddress())
	if err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	m, by, err := wallet.Read(w.GetSignedMessage())
	if err == nil && by != address {
		err = wallet.ErrSignature
	}
	if err != nil {
		return s.noWallet(ctx, a, err)
	}
	var account uuid.UUID
	err = s.Store.Read(ctx, func(tx *store.Tx) (err error) { // what a stranger sends takes no turn of a writer
		account, err = walletOf(tx, a, by)
		return err
	})
	if err != nil {
		return s.noWallet(ctx, a, err)
	}
	token, err := s.grant(ctx, a, account, proof{authType: "wallet", wallet: by[:]}, func(tx *store.Tx) error {
		if _, err := walletOf(tx, a, by); err != nil {
			return err // taken away meanwhile
		}
		return s.useMessage(tx, login, m)
	})
	if err != nil {
		return s.noWallet(ctx, a, err)
	}
	return sent(stream.Send(&pb.LoginResponse{Data: &pb.LoginResponse_WalletLoginResponse{WalletLoginResponse: &pb.WalletLoginResponse{Token: token}}}))
}

// walletOf is the account of that name, if the wallet is its own and the machine may know it;
// else identity.ErrNotFound.
func walletOf(tx *store.Tx, a asked, address wallet.Address) (uuid.UUID, error) {
	owner, err := tx.IdentityWalletOf(address[:])
	if err != nil {
		return uuid.Nil, err
	}
	named, err := tx.AccountFor(a.machine.UUID, a.name)
	if err == nil && named.UUID != owner {
		err = identity.ErrNotFound
	}
	return named.UUID, err
}

// useMessage takes a message once, by the realm's clock: several servers of a database have
// one, and it does not go back.
func (s *Service) useMessage(tx *store.Tx, login wallet.Login, m wallet.Message) error {
	now, err := tx.Clock(s.Now())
	if err != nil {
		return err
	}
	if err := login.Check(m, now); err != nil {
		return err //nolint:wrapcheck // it says what it is about
	}
	return tx.UseIdentityNonce(m.Address[:], m.Nonce, wallet.Until(m), now)
}

// noWallet notes a login that came to nothing, and says what may be said.
func (s *Service) noWallet(ctx context.Context, a asked, why error) error {
	switch {
	case errors.Is(why, wallet.ErrMessage):
		why = connect.NewError(connect.CodeInvalidArgument, why)
	case errors.Is(why, wallet.ErrSignature), errors.Is(why, identity.ErrNotFound):
		why = errNoWallet
	case errors.Is(why, store.ErrNonceUsed):
		why = errUsed
	}
	return s.gaveUp(ctx, a, why)
}
