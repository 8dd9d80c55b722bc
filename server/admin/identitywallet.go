package admin

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/wallet"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// maxWallets are of one account.
const maxWallets = 16

// ListIdentityWallets implements AdminService.
func (s *Admin) ListIdentityWallets(ctx context.Context, req *v1.NameRequest) (resp *v1.ListIdentityWalletsResponse, err error) {
	err = s.read(ctx, "list the wallets of", req.GetName(), func(tx *store.Tx) error {
		a, err := tx.AccountByName(identity.Name(req.GetName()))
		if err != nil {
			return err
		}
		list, err := tx.IdentityWallets(a.UUID)
		resp = walletsView(list)
		return err
	})
	return resp, err
}

func walletsView(list []store.IdentityWallet) *v1.ListIdentityWalletsResponse {
	resp := &v1.ListIdentityWalletsResponse{}
	for _, w := range list {
		var a wallet.Address
		copy(a[:], w.Address)
		resp.Wallets = append(resp.Wallets, &v1.IdentityWallet{Address: a.String(), Added: timestamppb.New(w.Added)})
	}
	return resp
}

// AddIdentityWallet implements AdminService.
func (s *Admin) AddIdentityWallet(ctx context.Context, req *v1.IdentityWalletRequest) (*v1.ListIdentityWalletsResponse, error) {
	return s.changeWallets(ctx, "identity.add-wallet", req, func(tx *store.Tx, a store.Account, address []byte) error {
		owner, err := tx.IdentityWalletOf(address)
		switch {
		case err == nil && owner == a.UUID:
			return inputError("%s has that wallet already", a.Name)
		case err == nil:
			return inputError("the wallet is another account's: one wallet is one account's. \"identity remove-wallet\" takes it away there")
		case !errors.Is(err, identity.ErrNotFound):
			return err
		}
		list, err := tx.IdentityWallets(a.UUID)
		if err == nil && len(list) >= maxWallets {
			err = inputError("%s has %d wallets, which is the most", a.Name, len(list))
		}
		if err != nil {
			return err
		}
		return tx.AddIdentityWallet(a.UUID, store.IdentityWallet{Address: address, Added: s.Now()})
	})
}

// RemoveIdentityWallet implements AdminService.
func (s *Admin) RemoveIdentityWallet(ctx context.Context, req *v1.IdentityWalletRequest) (*v1.ListIdentityWalletsResponse, error) {
	return s.changeWallets(ctx, "identity.remove-wallet", req, func(tx *store.Tx, a store.Account, address []byte) error {
		err := tx.RemoveIdentityWallet(a.UUID, address)
		if errors.Is(err, identity.ErrNotFound) {
			return inputError("%s has no such wallet; \"identity wallets\" lists them", a.Name)
		}
		return err
	})
}

func (s *Admin) changeWallets(ctx context.Context, action string, req *v1.IdentityWalletRequest, change func(*store.Tx, store.Account, []byte) error) (resp *v1.ListIdentityWalletsResponse, err error) {
	err = s.change(ctx, action, req.GetName(), "wallet="+realm.Clip(req.GetAddress()), func(tx *store.Tx) error {
		address, err := wallet.ParseAddress(req.GetAddress())
		if err != nil {
			return fmt.Errorf("%w: %w", realm.ErrInput, err)
		}
		a, err := tx.AccountByName(identity.Name(req.GetName()))
		if err != nil {
			return err
		}
		if err := change(tx, a, address[:]); err != nil {
			return err
		}
		list, err := tx.IdentityWallets(a.UUID)
		resp = walletsView(list)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
