package realm

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// keptLinks is how many earlier realm keys, and how many introductions, a machine
// may be behind.
const keptLinks = 16

// issued is the key list that machines are given.
type issued struct {
	bundle  identity.KeyBundle
	encoded []byte
	list    *identity.KeyList
}

// issued is the list at the moment of the transaction; identity.ErrNotFound before the
// first.
func (r *Realm) issued(tx *store.Tx) (*issued, error) {
	b, err := tx.KeyList()
	if err != nil {
		return nil, fmt.Errorf("key list: %w", err)
	}
	bundle, err := identity.DecodeKeyBundle(b)
	if err != nil {
		return nil, fmt.Errorf("key list: %w", err)
	}
	list, err := identity.OpenKeyList(bundle.RealmKey, bundle.List)
	if err != nil {
		return nil, fmt.Errorf("key list: %w", err)
	}
	if list.Realm != r.Name {
		return nil, fmt.Errorf("key list: it is of realm %q, not %q", list.Realm, r.Name)
	}
	return &issued{bundle: *bundle, encoded: b, list: list}, nil
}

// settleKeys has the database hold the realm's keys, and a key list that names those in
// use: a folder from before there were such may be opened, the certificate may have been
// renewed, and a change of the realm key may have been cut off.
func (r *Realm) settleKeys(ctx context.Context) error {
	var adopt, current bool
	err := r.Store.Read(ctx, func(tx *store.Tx) error {
		is, err := r.issued(tx)
		if errors.Is(err, identity.ErrNotFound) {
			adopt = true
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.Dir.settleRealmKey(is.bundle.RealmKey); err != nil {
			return err
		}
		current, err = r.names(tx, is)
		return err
	})
	switch {
	case err != nil:
		return err
	case adopt:
		return r.firstList(ctx)
	case current:
		return nil
	default:
		return r.bringUpToDate(ctx)
	}
}

// bringUpToDate signs a new list where the one in force does not name the keys in use.
func (r *Realm) bringUpToDate(ctx context.Context) error {
	var version uint64
	err := r.changeKeys(ctx, func(tx *store.Tx) error {
		is, err := r.issued(tx)
		if err != nil {
			return err
		}
		current, err := r.names(tx, is)
		if err != nil || current {
			return err
		}
		now, err := r.reissue(tx, nil, nil)
		if err == nil {
			version = now.list.Version
		}
		return err
	})
	switch {
	case errors.Is(err, ErrInput) || isRefusal(err):
		// Serving goes on: machines that know the keys need nothing new.
		r.Log.ErrorContext(ctx, staleList, "error", err)
		return nil
	case err == nil && version > 0:
		r.Log.InfoContext(ctx, "the key list was signed anew", "version", version)
	}
	return err
}

// staleList says why machines may refuse the server, or cannot use it.
const staleList = "The key list does not name the keys that this server uses now, so machines may refuse it: run \"sallyport-server keys sign --realm-key FILE\"."

func isRefusal(err error) bool {
	var no RefusalError
	return errors.As(err, &no)
}

// names tells whether the list names the keys that tokens are signed with, and what each
// server is known by.
func (r *Realm) names(tx *store.Tx, is *issued) (bool, error) {
	keys, err := tx.SigningKeys()
	if err != nil {
		return false, err
	}
	trusts, err := r.trusts(tx)
	if err != nil {
		return false, err
	}
	readers, err := tx.Readers()
	if err != nil {
		return false, err
	}
	users, hosts, err := sshAuthorities(tx)
	if err != nil {
		return false, err
	}
	return slices.EqualFunc(is.list.SSHUsers, users, bytes.Equal) && slices.EqualFunc(is.list.SSHHosts, hosts, bytes.Equal) &&
		slices.EqualFunc(is.list.Keys, listed(keys), func(a []byte, b ed25519.PublicKey) bool { return bytes.Equal(a, b) }) &&
		slices.EqualFunc(is.list.ReadOnly, readers, func(a []byte, b store.Reader) bool { return bytes.Equal(a, b.Key) }) &&
		!slices.ContainsFunc(trusts, func(t identity.TLSTrust) bool { return !slices.ContainsFunc(is.list.TLS, t.Equal) }), nil
}

// firstList makes the realm key, and a list of what there is. Machines that joined
// before hold a signing key: it introduces the realm key to them.
func (r *Realm) firstList(ctx context.Context) error {
	k, err := r.Dir.firstRealmKey()
	if err != nil {
		return fmt.Errorf("first realm key: %w", err)
	}
	err = r.changeKeys(ctx, func(tx *store.Tx) error {
		signing, err := r.signing(tx)
		if err != nil {
			return err
		}
		introduction, err := signing.signer.SignIntroduction(r.Name, k.pub, r.Now().Unix())
		if err != nil {
			return err
		}
		_, err = r.issue(tx, k, identity.KeyBundle{RealmKey: k.pub, Introductions: [][]byte{introduction}}, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("first realm key: %w", err)
	}
	r.Log.InfoContext(ctx, "the realm has its realm key: keep a copy of it elsewhere, see realm-key in sallyport-server(8)", "file", r.Dir.realmKey())
	return nil
}

// reissue signs a new list of the keys in use. given is the realm key's PEM; empty means
// the one in the folder. change may alter what leads to the list.
func (r *Realm) reissue(tx *store.Tx, given []byte, change func(*identity.KeyBundle, *realmSigner) error) (*issued, error) {
	was, err := r.issued(tx)
	if err != nil {
		return nil, err
	}
	k, err := r.Dir.findRealmKey(given, was.bundle.RealmKey)
	if err != nil {
		return nil, err
	}
	b := was.bundle
	b.Chain, b.Introductions = slices.Clone(b.Chain), slices.Clone(b.Introductions)
	if change != nil {
		if err := change(&b, k); err != nil {
			return nil, err
		}
	}
	return r.issue(tx, k, b, was)
}

// issue signs and stores a list of the keys in use. The version is at least the time, in
// nanoseconds: a database that was put back from a backup signs a higher one than it signed
// after the backup, also where both were in the same second.
func (r *Realm) issue(tx *store.Tx, k *realmSigner, b identity.KeyBundle, was *issued) (*issued, error) {
	now := r.Now()
	keys, err := tx.SigningKeys()
	if err != nil {
		return nil, err
	}
	trusts, err := r.trusts(tx)
	if err != nil {
		return nil, err
	}
	l := &identity.KeyList{Realm: r.Name, Version: uint64(max(now.UnixNano(), 1)), TLS: trusts, Time: now.Unix()}
	if was != nil {
		l.Version = max(l.Version, was.list.Version+1)
	}
	for _, pub := range listed(keys) {
		l.Keys = append(l.Keys, pub)
	}
	readers, err := tx.Readers()
	if err != nil {
		return nil, err
	}
	for _, d := range readers {
		l.ReadOnly = append(l.ReadOnly, d.Key)
	}
	if l.SSHUsers, l.SSHHosts, err = sshAuthorities(tx); err != nil {
		return nil, err
	}
	if b.List, err = k.signer.SignKeyList(l); err != nil {
		return nil, err
	}
	b.RealmKey = k.pub
	b.Chain = b.Chain[max(0, len(b.Chain)-keptLinks):]
	b.Introductions = b.Introductions[max(0, len(b.Introductions)-keptLinks):]
	encoded, err := b.Encode()
	if err != nil {
		return nil, err
	}
	return &issued{bundle: b, encoded: encoded, list: l}, tx.SetKeyList(encoded)
}

// listed are the newest keys, as many as a list may name. What older ones signed has
// been signed anew since.
func listed(keys []ed25519.PublicKey) []ed25519.PublicKey {
	return keys[:min(len(keys), identity.MaxListKeys)]
}

// fingerprint is what people compare when a machine joins.
func (is *issued) fingerprint() [32]byte {
	return identity.RealmFingerprint(is.bundle.RealmKey, is.list.TLS[0])
}

// KeyList is the key list as machines are given it, and the realm key that signed it.
func (r *Realm) KeyList(tx *store.Tx) (list []byte, realmKey ed25519.PublicKey, err error) {
	is, err := r.issued(tx)
	if err != nil {
		return nil, nil, err
	}
	return is.encoded, is.bundle.RealmKey, nil
}
