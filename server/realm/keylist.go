package realm

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
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
	// problem says why machines refuse it, or cannot use it; empty when they can.
	problem string
}

func (d Dir) readList(realm string) (*issued, error) {
	b, err := os.ReadFile(d.keyList())
	if err != nil {
		return nil, fmt.Errorf("read key list: %w", err)
	}
	bundle, err := identity.DecodeKeyBundle(b)
	if err != nil {
		return nil, fmt.Errorf("read key list %s: %w", d.keyList(), err)
	}
	list, err := identity.OpenKeyList(bundle.RealmKey, bundle.List)
	if err != nil {
		return nil, fmt.Errorf("read key list %s: %w", d.keyList(), err)
	}
	if list.Realm != realm {
		return nil, fmt.Errorf("read key list %s: it is of realm %q, not %q", d.keyList(), list.Realm, realm)
	}
	return &issued{bundle: *bundle, encoded: b, list: list}, nil
}

// openList takes up the folder's key list, and signs a new one where it does not say
// what is so: the certificate was renewed, or a command was cut off. A folder from
// before there were realm keys gets its first one, introduced by the signing key.
func (r *Realm) openList(ctx context.Context, keys []ed25519.PublicKey) error {
	is, err := r.Dir.readList(r.Name)
	if errors.Is(err, os.ErrNotExist) {
		return r.firstList(ctx, keys)
	}
	if err != nil {
		return err
	}
	if err := r.Dir.settleRealmKey(is.bundle.RealmKey); err != nil {
		return err
	}
	r.list.Store(is)
	return r.bringUpToDate(ctx, keys)
}

// bringUpToDate signs a new list where the one in force does not name the keys in use.
func (r *Realm) bringUpToDate(ctx context.Context, keys []ed25519.PublicKey) error {
	is := r.list.Load()
	if r.upToDate(is, keys) {
		return nil
	}
	err := r.reissue(nil, keys, nil)
	if err == nil {
		r.Log.InfoContext(ctx, "the key list was signed anew", "version", r.list.Load().list.Version)
		return nil
	}
	var no RefusalError
	if !errors.As(err, &no) {
		return err
	}
	// Serving goes on: machines that know the keys need nothing new.
	stale := *is
	stale.problem = "The key list does not name the keys that this server uses now, so machines may refuse it: run \"sallyport-server keys sign --realm-key FILE\"."
	r.list.Store(&stale)
	r.Log.ErrorContext(ctx, stale.problem, "error", err)
	return nil
}

func (r *Realm) upToDate(is *issued, keys []ed25519.PublicKey) bool {
	return slices.EqualFunc(is.list.Keys, listed(keys), func(a []byte, b ed25519.PublicKey) bool { return bytes.Equal(a, b) }) &&
		len(is.list.TLS) == 1 && is.list.TLS[0].Equal(r.certs.trust())
}

// firstList makes the realm key, and a list of what there is. Machines that joined
// before hold a signing key: it introduces the realm key to them.
func (r *Realm) firstList(ctx context.Context, keys []ed25519.PublicKey) error {
	text, err := os.ReadFile(r.Dir.realmKey())
	var k *realmSigner
	switch {
	case err == nil: // an earlier try was cut off
		k, err = parseRealmKey(text)
	case errors.Is(err, os.ErrNotExist):
		if k, err = newRealmKey(); err == nil {
			err = replace(r.Dir.realmKey(), k.pem)
		}
	}
	if err != nil {
		return fmt.Errorf("first realm key: %w", err)
	}
	introduction, err := r.signing.Load().signer.SignIntroduction(r.Name, k.pub, r.Now().Unix())
	if err != nil {
		return fmt.Errorf("first realm key: %w", err)
	}
	err = r.issue(k, identity.KeyBundle{RealmKey: k.pub, Introductions: [][]byte{introduction}}, keys)
	if err == nil {
		r.Log.InfoContext(ctx, "the realm has its realm key: keep a copy of it elsewhere, see realm-key in sallyport-server(8)", "file", r.Dir.realmKey())
	}
	return err
}

// reissue signs a new list of these signing keys and of the TLS key in use. given is
// the realm key's PEM; empty means the one in the folder. change may alter what leads
// to the list.
func (r *Realm) reissue(given []byte, keys []ed25519.PublicKey, change func(*identity.KeyBundle, *realmSigner) error) error {
	was := r.list.Load()
	k, err := r.Dir.findRealmKey(given, was.bundle.RealmKey)
	if err != nil {
		return err
	}
	b := was.bundle
	b.Chain, b.Introductions = slices.Clone(b.Chain), slices.Clone(b.Introductions)
	if change != nil {
		if err := change(&b, k); err != nil {
			return err
		}
	}
	return r.issue(k, b, keys)
}

// issue signs, writes and gives out. The version is at least the time, in nanoseconds: a
// folder that was copied back from a backup signs a higher one than it signed after the
// backup, also where both were in the same second.
func (r *Realm) issue(k *realmSigner, b identity.KeyBundle, keys []ed25519.PublicKey) error {
	now := r.Now()
	l := &identity.KeyList{Realm: r.Name, Version: uint64(max(now.UnixNano(), 1)), TLS: []identity.TLSTrust{r.certs.trust()}, Time: now.Unix()}
	if was := r.list.Load(); was != nil {
		l.Version = max(l.Version, was.list.Version+1)
	}
	for _, pub := range listed(keys) {
		l.Keys = append(l.Keys, pub)
	}
	var err error
	if b.List, err = k.signer.SignKeyList(l); err != nil {
		return err
	}
	b.RealmKey = k.pub
	b.Chain = b.Chain[max(0, len(b.Chain)-keptLinks):]
	b.Introductions = b.Introductions[max(0, len(b.Introductions)-keptLinks):]
	encoded, err := b.Encode()
	if err != nil {
		return err
	}
	if err := replace(r.Dir.keyList(), encoded); err != nil {
		return err
	}
	r.list.Store(&issued{bundle: b, encoded: encoded, list: l})
	return nil
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

// signingKeys are those that the database names, the current one first.
func (r *Realm) signingKeys(ctx context.Context) (keys []ed25519.PublicKey, err error) {
	err = r.Store.Read(ctx, func(tx *store.Tx) error {
		keys, err = tx.SigningKeys()
		return err
	})
	return keys, err
}

// RealmKey is the public half of the key that signs the key list.
func (r *Realm) RealmKey() ed25519.PublicKey { return r.list.Load().bundle.RealmKey }

// KeyList is the key list as machines are given it.
func (r *Realm) KeyList() []byte { return r.list.Load().encoded }
