package admin

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// ShowKeys implements AdminService.
func (s *Admin) ShowKeys(ctx context.Context, _ *v1.ShowKeysRequest) (v *v1.KeysView, err error) {
	err = s.read(ctx, "show", "keys", func(tx *store.Tx) error {
		v, err = s.KeysView(tx)
		return err
	})
	s.askAgent(ctx, v)
	return v, err
}

// keys changes the realm's keys, and writes it down as that action, with more about it.
func (s *Admin) keys(ctx context.Context, action, subject string, more ...string) realm.Keys {
	return realm.Keys{Realm: s.Realm, Record: func(tx *store.Tx, v *v1.KeysView) error {
		detail := fmt.Sprintf("version=%d realm_key=%s signs=%s", v.GetVersion(), v.GetRealmKey(), v.GetSigningKeys()[0])
		detail = strings.Join(append([]string{detail}, more...), " ")
		return tx.Record(store.Entry{Time: s.Now(), Actor: actor(ctx), Action: action, Subject: subject, Detail: detail})
	}}
}

// RotateKeys implements AdminService.
func (s *Admin) RotateKeys(ctx context.Context, req *v1.RotateKeysRequest) (*v1.RotateKeysResponse, error) {
	action := "keys.rotate"
	if req.GetEmergency() {
		action = "keys.rotate.emergency"
	}
	id, v, err := s.keys(ctx, action, "signing keys").Rotate(ctx, req.GetRealmKey(), req.GetEmergency())
	if err != nil {
		return nil, s.told(ctx, "rotate", "signing keys", err)
	}
	return &v1.RotateKeysResponse{KeyId: fmt.Sprintf("%x", id), Keys: v}, nil
}

// SignKeys implements AdminService.
func (s *Admin) SignKeys(ctx context.Context, req *v1.SignKeysRequest) (*v1.KeysView, error) {
	v, err := s.keys(ctx, "keys.sign", "key list").SignList(ctx, req.GetRealmKey())
	return v, s.told(ctx, "sign", "key list", err)
}

// RotateRealmKey implements AdminService. The new key goes into the folder, in place
// of one that may be there.
func (s *Admin) RotateRealmKey(ctx context.Context, req *v1.RotateRealmKeyRequest) (*v1.KeysView, error) {
	action := "realm_key.rotate"
	if req.GetLost() {
		action = "realm_key.new"
	}
	v, err := s.keys(ctx, action, "key list").NewRealmKey(ctx, req.GetRealmKey(), req.GetLost())
	return v, s.told(ctx, "rotate", "realm key", err)
}

// RenewCA implements AdminService.
func (s *Admin) RenewCA(ctx context.Context, req *v1.RenewCARequest) (*v1.KeysView, error) {
	v, err := s.keys(ctx, "keys.new_ca", "key list").NewCA(ctx, req.GetRealmKey())
	return v, s.told(ctx, "renew", "certificate authority", err)
}
