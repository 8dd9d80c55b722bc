package realm

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// KeysView is what administrators are shown of the keys.
func (r *Realm) KeysView() *v1.KeysView {
	is := r.list.Load()
	print := is.fingerprint()
	v := &v1.KeysView{
		Realm: r.Name, RealmKey: hex.EncodeToString(is.bundle.RealmKey), RealmKeyHere: r.Dir.hasRealmKey(),
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

// NextSigningKey makes a signing key and a key list that names it. It signs nothing until
// the database names it as the current one, and SignWith is told.
func (r *Realm) NextSigningKey(ctx context.Context, realmKey []byte, emergency bool) (*SigningKey, error) {
	old, err := r.signingKeys(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := r.realmSigner(realmKey); err != nil {
		return nil, err // before a key is made
	}
	pub, err := r.Dir.newSigningKey()
	if err != nil {
		return nil, err
	}
	next, err := r.Dir.loadSigningKey(pub)
	if err != nil {
		return nil, err
	}
	keys := append([]ed25519.PublicKey{pub}, old...)
	if emergency {
		keys = keys[:1]
	}
	return next, r.reissue(realmKey, keys, func(b *identity.KeyBundle, _ *realmSigner) error {
		return r.introduce(b, next, emergency)
	})
}

// introduce has the new signing key vouch for the realm's first key as well: machines
// that joined before there was one may have learned this signing key alone. In an
// emergency no word of the old keys is left.
func (r *Realm) introduce(b *identity.KeyBundle, next *SigningKey, emergency bool) error {
	if len(b.Introductions) == 0 {
		return nil
	}
	if emergency {
		b.Introductions = nil
		return nil
	}
	signed, err := next.signer.SignIntroduction(r.Name, b.RealmKey, r.Now().Unix())
	b.Introductions = append(b.Introductions, signed)
	return err
}

// SignWith signs with the key that the database now names, and removes the older ones.
func (r *Realm) SignWith(next *SigningKey, emergency bool) {
	r.signing.Store(next)
	r.Dir.removeOtherSigningKeys(next.Pub, r.Log)
	if emergency {
		r.NewKeys.Notify() // otherwise the first token shows machines that there is a new list
	}
}

// SignList signs the key list anew.
func (r *Realm) SignList(ctx context.Context, realmKey []byte) error {
	keys, err := r.signingKeys(ctx)
	if err != nil {
		return err
	}
	return r.reissue(realmKey, keys, nil)
}

// realmSigner is the realm key that machines know: the one that was given, or the one in
// the folder.
func (r *Realm) realmSigner(given []byte) (*realmSigner, error) {
	return r.Dir.findRealmKey(given, r.list.Load().bundle.RealmKey)
}

// AuditSigner is the realm key, as realmSigner finds it, to sign heads of the audit log.
func (r *Realm) AuditSigner(given []byte) (*identity.Signer, error) {
	k, err := r.realmSigner(given)
	if err != nil {
		return nil, err
	}
	return k.signer, nil
}

// NewRealmKey makes a new realm key, which the old one vouches for unless it is lost.
func (r *Realm) NewRealmKey(ctx context.Context, realmKey []byte, lost bool) error {
	keys, err := r.signingKeys(ctx)
	if err != nil {
		return err
	}
	b := identity.KeyBundle{}
	next, err := newRealmKey()
	if err != nil {
		return err
	}
	if lost {
		if r.Dir.hasRealmKey() {
			return RefusalError("the realm key is in the folder, so it is not lost: use \"sallyport-server realm-key rotate\", which machines follow")
		}
	} else {
		was := r.list.Load().bundle
		k, err := r.realmSigner(realmKey)
		if err != nil {
			return err
		}
		link, err := k.signer.SignRealmKey(r.Name, next.pub, r.Now().Unix())
		if err != nil {
			return err
		}
		b.Chain, b.Introductions = slices.Concat(was.Chain, [][]byte{link}), was.Introductions
	}
	// The key before the list: a list whose key is nowhere could not be followed.
	if err := replace(r.Dir.nextRealmKey(), next.pem); err != nil {
		return err
	}
	if err := r.issue(next, b, keys); err != nil {
		return err
	}
	return r.Dir.takeNextRealmKey()
}

// NewCA makes a new certificate authority and serves by it.
func (r *Realm) NewCA(ctx context.Context, realmKey []byte) error {
	if r.Settings.TLSCert != "" {
		return RefusalError("this realm has no certificate authority of its own: its certificate is " + r.Settings.TLSCert)
	}
	if _, err := r.realmSigner(realmKey); err != nil {
		return err
	}
	if err := r.Dir.renewCA(r.Name, r.Now()); err != nil {
		return err
	}
	ca, err := readCertificate(r.Dir.caCert(), r.Dir.caKey())
	if err != nil {
		return err
	}
	if err := r.certs.replace(ca); err != nil {
		return err
	}
	return r.SignList(ctx, realmKey)
}
