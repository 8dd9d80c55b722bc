package server

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// ShowKeys implements AdminService.
func (s *admin) ShowKeys(context.Context, *v1.ShowKeysRequest) (*v1.KeysView, error) {
	return s.keysView(), nil
}

func (s *admin) keysView() *v1.KeysView {
	is := s.list.Load()
	print := is.fingerprint()
	v := &v1.KeysView{
		Realm: s.Name, RealmKey: hex.EncodeToString(is.bundle.RealmKey), RealmKeyHere: s.dir.hasRealmKey(),
		Version: is.list.Version, Signed: timestamppb.New(time.Unix(is.list.Time, 0)), Fingerprint: hex.EncodeToString(print[:]), Problem: is.problem,
	}
	for _, k := range is.list.Keys {
		v.SigningKeys = append(v.SigningKeys, hex.EncodeToString(k))
	}
	for _, t := range is.list.TLS {
		v.Tls = append(v.Tls, strings.Join(append([]string{string(t.Kind), hex.EncodeToString(t.Key)}, t.Names...), " "))
	}
	return v
}

// RotateKeys implements AdminService. The new key's file is written first, then the
// list that names it, so that no machine sees a token whose key it cannot know; the
// old private key is removed last. A crash in between leaves a realm that signs with
// one or the other, and the next start signs the list anew.
func (s *admin) RotateKeys(ctx context.Context, req *v1.RotateKeysRequest) (*v1.RotateKeysResponse, error) {
	const what = "signing keys"
	old, err := s.signingKeys(ctx)
	if err != nil {
		return nil, s.told(ctx, "rotate", what, err)
	}
	if _, err := s.dir.findRealmKey(req.GetRealmKey(), s.list.Load().bundle.RealmKey); err != nil {
		return nil, s.told(ctx, "rotate", what, err) // before a key is made
	}
	pub, err := s.dir.newSigningKey()
	if err != nil {
		return nil, s.told(ctx, "rotate", what, err)
	}
	next, err := s.dir.loadSigningKey(pub)
	if err != nil {
		return nil, s.told(ctx, "rotate", what, err)
	}
	keys := append([]ed25519.PublicKey{pub}, old...)
	if req.GetEmergency() {
		keys = keys[:1]
	}
	err = s.reissue(req.GetRealmKey(), keys, func(b *identity.KeyBundle, _ *realmSigner) error {
		return s.introduce(b, next, req.GetEmergency())
	})
	if err != nil {
		return nil, s.told(ctx, "rotate", what, err)
	}
	id, action := fmt.Sprintf("%x", next.id), "keys.rotate"
	if req.GetEmergency() {
		action = "keys.rotate.emergency"
	}
	err = s.change(ctx, action, what, fmt.Sprintf("key=%s list=%d", id, s.list.Load().list.Version), func(tx *store.Tx) error {
		if err := tx.AddSigningKey(pub, s.now()); err != nil || !req.GetEmergency() {
			return err
		}
		// A new history begins here: what the old keys signed is not to be believed.
		return tx.RemoveOtherSigningKeys(pub)
	})
	if err != nil {
		return nil, fmt.Errorf("%w (the list names a key that does not sign: \"sallyport-server keys sign\" mends that)", err)
	}
	s.signing.Store(next)
	s.dir.removeOtherSigningKeys(pub, s.log)
	if req.GetEmergency() {
		s.newKeys.ring() // otherwise the first token shows machines that there is a new list
	}
	return &v1.RotateKeysResponse{KeyId: id, Keys: s.keysView()}, nil
}

// introduce has the new signing key vouch for the realm's first key as well: machines
// that joined before there was one may have learned this signing key alone. In an
// emergency no word of the old keys is left.
func (s *admin) introduce(b *identity.KeyBundle, next *signingKey, emergency bool) error {
	if len(b.Introductions) == 0 {
		return nil
	}
	if emergency {
		b.Introductions = nil
		return nil
	}
	signed, err := next.signer.SignIntroduction(s.Name, b.RealmKey, s.now().Unix())
	b.Introductions = append(b.Introductions, signed)
	return err
}

// SignKeys implements AdminService.
func (s *admin) SignKeys(ctx context.Context, req *v1.SignKeysRequest) (*v1.KeysView, error) {
	keys, err := s.signingKeys(ctx)
	if err == nil {
		err = s.reissue(req.GetRealmKey(), keys, nil)
	}
	if err != nil {
		return nil, s.told(ctx, "sign", "key list", err)
	}
	return s.recorded(ctx, "keys.sign")
}

func (s *admin) recorded(ctx context.Context, action string) (*v1.KeysView, error) {
	is := s.list.Load()
	s.newKeys.ring()
	err := s.change(ctx, action, "key list", fmt.Sprintf("version=%d realm_key=%x", is.list.Version, is.bundle.RealmKey), func(*store.Tx) error { return nil })
	return s.keysView(), err
}

// RotateRealmKey implements AdminService. The new key goes into the folder, in place
// of one that may be there.
func (s *admin) RotateRealmKey(ctx context.Context, req *v1.RotateRealmKeyRequest) (*v1.KeysView, error) {
	if err := s.nextRealmKey(ctx, req); err != nil {
		return nil, s.told(ctx, "rotate", "realm key", err)
	}
	if req.GetLost() {
		return s.recorded(ctx, "realm_key.new")
	}
	return s.recorded(ctx, "realm_key.rotate")
}

func (s *admin) nextRealmKey(ctx context.Context, req *v1.RotateRealmKeyRequest) error {
	keys, err := s.signingKeys(ctx)
	if err != nil {
		return err
	}
	b := identity.KeyBundle{}
	next, err := newRealmKey()
	if err != nil {
		return err
	}
	if req.GetLost() {
		if s.dir.hasRealmKey() {
			return refusal("the realm key is in the folder, so it is not lost: use \"sallyport-server realm-key rotate\", which machines follow")
		}
	} else {
		was := s.list.Load().bundle
		k, err := s.dir.findRealmKey(req.GetRealmKey(), was.RealmKey)
		if err != nil {
			return err
		}
		link, err := k.signer.SignRealmKey(s.Name, next.pub, s.now().Unix())
		if err != nil {
			return err
		}
		b.Chain, b.Introductions = slices.Concat(was.Chain, [][]byte{link}), was.Introductions
	}
	// The key before the list: a list whose key is nowhere could not be followed.
	if err := replace(s.dir.nextRealmKey(), next.pem); err != nil {
		return err
	}
	if err := s.issue(next, b, keys); err != nil {
		return err
	}
	return s.dir.takeNextRealmKey()
}

// RenewCA implements AdminService.
func (s *admin) RenewCA(ctx context.Context, req *v1.RenewCARequest) (*v1.KeysView, error) {
	err := s.renewCA(ctx, req.GetRealmKey())
	if err != nil {
		return nil, s.told(ctx, "renew", "certificate authority", err)
	}
	return s.recorded(ctx, "keys.new_ca")
}

func (s *admin) renewCA(ctx context.Context, realmKey []byte) error {
	if s.settings.TLSCert != "" {
		return refusal("this realm has no certificate authority of its own: its certificate is " + s.settings.TLSCert)
	}
	if _, err := s.dir.findRealmKey(realmKey, s.list.Load().bundle.RealmKey); err != nil {
		return err
	}
	if err := s.dir.renewCA(s.Name, s.now()); err != nil {
		return err
	}
	ca, err := readCertificate(s.dir.caCert(), s.dir.caKey())
	if err != nil {
		return err
	}
	if err := s.certs.replace(ca); err != nil {
		return err
	}
	keys, err := s.signingKeys(ctx)
	if err != nil {
		return err
	}
	return s.reissue(realmKey, keys, nil)
}
