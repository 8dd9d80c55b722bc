package realm

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// KeysView is what administrators are shown of the keys.
func (r *Realm) KeysView(tx *store.Tx) (*v1.KeysView, error) {
	is, err := r.issued(tx)
	if err != nil {
		return nil, err
	}
	current := r.reader != nil // another signs
	if !current {
		if current, err = r.names(tx, is); err != nil {
			return nil, err
		}
	}
	print := is.fingerprint()
	v := &v1.KeysView{
		Realm: r.Name, RealmKey: hex.EncodeToString(is.bundle.RealmKey), RealmKeyHere: r.Dir.hasRealmKey(),
		Version: is.list.Version, Signed: timestamppb.New(time.Unix(is.list.Time, 0)), Fingerprint: hex.EncodeToString(print[:]),
	}
	if !current {
		v.Problem = staleList
	}
	if v.SshUsers, err = sshLines(is.list.SSHUsers); err != nil {
		return nil, err
	}
	if v.SshHosts, err = sshLines(is.list.SSHHosts); err != nil {
		return nil, err
	}
	kept, err := r.AgentKeys(tx)
	if err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		v.SshAgent = &v1.SSHAgentView{Socket: r.SSHAgent.Socket}
		if v.SshAgent.Keys, err = sshLines(kept); err != nil {
			return nil, err
		}
	}
	for _, k := range is.list.Keys {
		v.SigningKeys = append(v.SigningKeys, hex.EncodeToString(k))
	}
	for _, t := range is.list.TLS {
		v.Tls = append(v.Tls, strings.Join(append([]string{string(t.Kind), hex.EncodeToString(t.Key)}, t.Names...), " "))
	}
	return v, nil
}

// changeKeys changes the keys in one transaction, so that no server and no machine sees a
// token whose key it cannot know.
func (r *Realm) changeKeys(ctx context.Context, f func(*store.Tx) error) error {
	if err := r.Write(ctx, f); err != nil {
		return err
	}
	return r.noticeKeys(ctx)
}

// Keys are the changes that administrators make to the keys. Each happens whole, with what
// and records of it, or not at all; and is then is shown of them.
type Keys struct {
	*Realm
	// Record writes the change into the audit log.
	Record func(tx *store.Tx, v *v1.KeysView) error
}

// change runs one of them.
func (k Keys) change(ctx context.Context, f func(*store.Tx) error) (v *v1.KeysView, err error) {
	err = k.changeKeys(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		if v, err = k.KeysView(tx); err != nil {
			return err
		}
		return k.Record(tx, v)
	})
	return v, err
}

// Rotate has a new key sign tokens from now on. In an emergency the old ones count no more.
func (k Keys) Rotate(ctx context.Context, realmKey []byte, emergency bool) (id string, v *v1.KeysView, err error) {
	v, err = k.change(ctx, func(tx *store.Tx) error {
		next, err := k.Box.addSigningKey(tx, k.Now())
		if err != nil {
			return err
		}
		if emergency {
			// A new history begins here: what the old keys signed is not to be believed.
			err = tx.RemoveOtherSigningKeys(next.Pub)
		} else {
			err = tx.ForgetOtherPrivateKeys(next.Pub)
		}
		if err != nil {
			return err
		}
		id = next.ID
		_, err = k.reissue(tx, realmKey, func(b *identity.KeyBundle, _ *realmSigner) error { return k.introduce(b, next, emergency) })
		return err
	})
	return id, v, err
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

// SignList signs the key list anew.
func (k Keys) SignList(ctx context.Context, realmKey []byte) (*v1.KeysView, error) {
	return k.change(ctx, func(tx *store.Tx) error {
		_, err := k.reissue(tx, realmKey, nil)
		return err
	})
}

// AuditSigner is the realm key that machines know: the one that was given, or the one in
// the folder. It signs heads of the audit log.
func (r *Realm) AuditSigner(tx *store.Tx, given []byte) (*identity.Signer, error) {
	is, err := r.issued(tx)
	if err != nil {
		return nil, err
	}
	k, err := r.Dir.findRealmKey(given, is.bundle.RealmKey)
	if err != nil {
		return nil, err
	}
	return k.signer, nil
}

// NewRealmKey makes a new realm key, which the old one vouches for unless it is lost.
func (k Keys) NewRealmKey(ctx context.Context, realmKey []byte, lost bool) (*v1.KeysView, error) {
	if lost && k.Dir.hasRealmKey() {
		return nil, RefusalError("the realm key is in the folder, so it is not lost: use \"sallyport-server realm-key rotate\", which machines follow")
	}
	next, err := newRealmKey()
	if err != nil {
		return nil, err
	}
	// The key before the list: a list whose key is nowhere could not be followed.
	v, err := k.change(ctx, func(tx *store.Tx) error {
		was, err := k.issued(tx)
		if err != nil {
			return err
		}
		b := identity.KeyBundle{}
		if !lost {
			old, err := k.Dir.findRealmKey(realmKey, was.bundle.RealmKey)
			if err != nil {
				return err
			}
			link, err := old.signer.SignRealmKey(k.Name, next.pub, k.Now().Unix())
			if err != nil {
				return err
			}
			b.Chain, b.Introductions = slices.Concat(was.bundle.Chain, [][]byte{link}), was.bundle.Introductions
		}
		if err := replace(k.Dir.nextRealmKey(), next.pem); err != nil {
			return err
		}
		_, err = k.issue(tx, next, b, was)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, k.Dir.takeNextRealmKey()
}

// NewCA makes a new certificate authority and serves by it.
func (k Keys) NewCA(ctx context.Context, realmKey []byte) (*v1.KeysView, error) {
	if k.Settings.TLSCert != "" {
		return nil, RefusalError("this realm has no certificate authority of its own: its certificate is " + k.Settings.TLSCert)
	}
	return k.change(ctx, func(tx *store.Tx) error {
		if err := k.Box.newAuthority(tx, k.Name, k.Now()); err != nil {
			return err
		}
		_, err := k.reissue(tx, realmKey, nil)
		return err
	})
}
