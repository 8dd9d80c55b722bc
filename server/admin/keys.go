package admin

import (
	"context"
	"fmt"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// ShowKeys implements AdminService.
func (s *Admin) ShowKeys(context.Context, *v1.ShowKeysRequest) (*v1.KeysView, error) {
	return s.KeysView(), nil
}

// RotateKeys implements AdminService. The new key's file is written first, then the
// list that names it, so that no machine sees a token whose key it cannot know; the
// old private key is removed last. A crash in between leaves a realm that signs with
// one or the other, and the next start signs the list anew.
func (s *Admin) RotateKeys(ctx context.Context, req *v1.RotateKeysRequest) (*v1.RotateKeysResponse, error) {
	const what = "signing keys"
	next, err := s.NextSigningKey(ctx, req.GetRealmKey(), req.GetEmergency())
	if err != nil {
		return nil, s.told(ctx, "rotate", what, err)
	}
	id, action := fmt.Sprintf("%x", next.ID), "keys.rotate"
	if req.GetEmergency() {
		action = "keys.rotate.emergency"
	}
	err = s.change(ctx, action, what, fmt.Sprintf("key=%s list=%d", id, s.KeysView().GetVersion()), func(tx *store.Tx) error {
		if err := tx.AddSigningKey(next.Pub, s.Now()); err != nil || !req.GetEmergency() {
			return err
		}
		// A new history begins here: what the old keys signed is not to be believed.
		return tx.RemoveOtherSigningKeys(next.Pub)
	})
	if err != nil {
		return nil, fmt.Errorf("%w (the list names a key that does not sign: \"sallyport-server keys sign\" mends that)", err)
	}
	s.SignWith(next, req.GetEmergency())
	return &v1.RotateKeysResponse{KeyId: id, Keys: s.KeysView()}, nil
}

// SignKeys implements AdminService.
func (s *Admin) SignKeys(ctx context.Context, req *v1.SignKeysRequest) (*v1.KeysView, error) {
	if err := s.SignList(ctx, req.GetRealmKey()); err != nil {
		return nil, s.told(ctx, "sign", "key list", err)
	}
	return s.recorded(ctx, "keys.sign")
}

// recorded has machines ask for the new key list, and writes it down.
func (s *Admin) recorded(ctx context.Context, action string) (*v1.KeysView, error) {
	is := s.KeysView()
	s.NewKeys.Notify()
	err := s.change(ctx, action, "key list", fmt.Sprintf("version=%d realm_key=%s", is.GetVersion(), is.GetRealmKey()), func(*store.Tx) error { return nil })
	return s.KeysView(), err
}

// RotateRealmKey implements AdminService. The new key goes into the folder, in place
// of one that may be there.
func (s *Admin) RotateRealmKey(ctx context.Context, req *v1.RotateRealmKeyRequest) (*v1.KeysView, error) {
	if err := s.NewRealmKey(ctx, req.GetRealmKey(), req.GetLost()); err != nil {
		return nil, s.told(ctx, "rotate", "realm key", err)
	}
	if req.GetLost() {
		return s.recorded(ctx, "realm_key.new")
	}
	return s.recorded(ctx, "realm_key.rotate")
}

// RenewCA implements AdminService.
func (s *Admin) RenewCA(ctx context.Context, req *v1.RenewCARequest) (*v1.KeysView, error) {
	if err := s.NewCA(ctx, req.GetRealmKey()); err != nil {
		return nil, s.told(ctx, "renew", "certificate authority", err)
	}
	return s.recorded(ctx, "keys.new_ca")
}
