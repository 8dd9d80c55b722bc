package sallyport

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

const (
	// trustKey is where the trust is kept, legacyKey where machines kept the realm's
	// keys before there were realm keys.
	trustKey  = "sallyport trust"
	legacyKey = "sallyport realm keys"
	// recallTimeout is for the local memory.
	recallTimeout = 5 * time.Second
)

// kept is how trust is remembered.
type kept struct {
	// Anchor is the realm key of the file that this grew from; empty where a signing
	// key introduced it. With another anchor, what was remembered counts for nothing.
	Anchor   []byte `cbor:"1,keyasint"`
	RealmKey []byte `cbor:"2,keyasint"`
	List     []byte `cbor:"3,keyasint"`
	// Relist: the newest list took a signing key away, and the accounts have not been
	// listed since.
	Relist bool `cbor:"4,keyasint"`
}

// trust is what this machine believes of its realm: the realm key and the newest key
// list that it signed. It does not change; a newer one takes its place.
type trust struct {
	kept
	list *identity.KeyList
	ring *identity.Keyring
}

func newTrust(k kept) (*trust, error) {
	list, err := identity.OpenKeyList(k.RealmKey, k.List)
	if err != nil {
		return nil, err
	}
	ring, err := list.Keyring()
	if err != nil {
		return nil, err
	}
	return &trust{kept: k, list: list, ring: ring}, nil
}

// legacy is what was kept before there were realm keys.
type legacy struct {
	Realm string   `cbor:"1,keyasint"`
	Keys  [][]byte `cbor:"2,keyasint"`
}

func (t legacy) keyring() (*identity.Keyring, error) {
	keys := make([]ed25519.PublicKey, len(t.Keys))
	for i, k := range t.Keys {
		if len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("a signing key has %d bytes", len(k))
		}
		keys[i] = k
	}
	if t.Realm == "" || len(keys) == 0 {
		return nil, errors.New("no realm, or no signing key")
	}
	return identity.NewKeyring(t.Realm, keys)
}

// recall takes up what was remembered, and what the file says. What does not make
// sense is as good as forgotten.
func (p *Provider) recall() error {
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	if err := errors.Join(p.recallSettings(ctx), p.recallEnded(ctx)); err != nil {
		return err
	}
	var k kept
	if err := p.remembered(ctx, trustKey, &k); err != nil {
		return err
	}
	grown := len(k.RealmKey) > 0 && (p.anchor.realmKey == nil ||
		bytes.Equal(k.Anchor, p.anchor.realmKey) || bytes.Equal(k.RealmKey, p.anchor.realmKey))
	if grown {
		if t, err := newTrust(k); err == nil && !p.wrongRealm(t.list.Realm) {
			p.adopt(t)
		}
	}
	if p.anchor.realmKey != nil {
		if p.anchor.bundle == nil {
			return nil // the server is asked for its list
		}
		// An older list than the one remembered is no news.
		if err := p.take(ctx, p.anchor.bundle); err != nil && p.trust.Load() == nil {
			return fmt.Errorf("the file of the realm's key: %w", err)
		}
		return nil
	}
	if p.trust.Load() != nil {
		return nil
	}
	var l legacy
	if err := p.remembered(ctx, legacyKey, &l); err != nil || p.wrongRealm(l.Realm) {
		return err
	}
	if ring, err := l.keyring(); err == nil {
		p.keys.Store(ring)
	}
	return nil
}

func (p *Provider) remembered(ctx context.Context, key string, into any) error {
	b, err := p.o.Memory.Recall(ctx, key)
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("recall %s: %w", key, err)
	}
	_ = cbor.Unmarshal(b, into) // half of it is checked like the whole
	return nil
}

func (p *Provider) wrongRealm(realm string) bool { return p.o.Realm != "" && p.o.Realm != realm }

// adopt goes by t from now on. Connections that were made by another list's TLS keys
// are used for nothing new.
func (p *Provider) adopt(t *trust) {
	p.trust.Store(t)
	p.keys.Store(t.ring)
	for _, e := range p.fleet.all() {
		e.renew()
	}
}

// offered judges what a server says about itself, whoever it is: nothing that it says
// counts unless the realm key signed it.
func (p *Provider) offered(ctx context.Context, resp *v1.DescribeResponse) error {
	if p.wrongRealm(resp.GetRealm()) {
		return otherRealm(resp.GetRealm(), p.o.Realm)
	}
	if len(resp.GetKeyList()) > 0 {
		return p.take(ctx, resp.GetKeyList())
	}
	if p.trust.Load() == nil && p.anchor.realmKey == nil {
		return errNoList
	}
	return &provider.DoubtError{
		What: "The server sends no key list, and this machine takes signing keys from nothing else.",
		Mend: "If the server's program was replaced by an older one, go back to the newer one.",
	}
}

// take verifies a bundle and, where its list is newer, goes by it.
func (p *Provider) take(ctx context.Context, encoded []byte) error {
	b, err := identity.DecodeKeyBundle(encoded)
	if err != nil {
		return unreadable(err)
	}
	p.taking.Lock()
	defer p.taking.Unlock()
	was := p.trust.Load()
	next, err := p.follow(was, b)
	if err != nil {
		return err
	}
	if was != nil {
		switch {
		case next.list.Version < was.list.Version:
			return olderList(next.list.Version, was.list.Version)
		case next.list.Version == was.list.Version && !bytes.Equal(next.List, was.List):
			return &provider.DoubtError{
				What: fmt.Sprintf("The server has another key list of version %d than this machine has seen.", was.list.Version),
				Mend: "On the server: sallyport-server keys sign.",
			}
		case bytes.Equal(next.List, was.List) && bytes.Equal(next.RealmKey, was.RealmKey) && bytes.Equal(next.Anchor, was.Anchor):
			return nil
		}
		next.Relist = was.Relist || drops(was.list, next.list)
	}
	if err := p.keep(ctx, next); err != nil {
		return err
	}
	p.adopt(next)
	return nil
}

// follow goes from what is trusted to the bundle's list.
func (p *Provider) follow(was *trust, b *identity.KeyBundle) (*trust, error) {
	k := kept{Anchor: p.anchor.realmKey}
	from := p.anchor.realmKey
	switch {
	case was != nil:
		from = was.RealmKey
	case from == nil:
		ring := p.keys.Load()
		if ring == nil {
			return nil, unpinned()
		}
		var err error
		if from, err = b.Introduced(ring); err != nil {
			return nil, notIntroduced(err)
		}
	}
	key, list, err := b.Follow(from)
	if err != nil {
		return nil, notSigned(from, b.RealmKey, err)
	}
	if p.wrongRealm(list.Realm) {
		return nil, otherRealm(list.Realm, p.o.Realm)
	}
	k.RealmKey, k.List = key, b.List
	t, err := newTrust(k)
	if err != nil {
		return nil, notSigned(from, b.RealmKey, err)
	}
	return t, nil
}

// drops tells whether a signing key left the list.
func drops(was, next *identity.KeyList) bool {
	for _, k := range slices.Concat(was.Keys, was.ReadOnly) {
		if !containsKey(next.Keys, k) && !containsKey(next.ReadOnly, k) {
			return true
		}
	}
	return false
}

func containsKey(list [][]byte, key []byte) bool {
	for _, k := range list {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

func (p *Provider) keep(ctx context.Context, t *trust) error {
	b, err := cbor.Marshal(t.kept)
	if err != nil {
		return fmt.Errorf("remember key list: %w", err)
	}
	// A login that goes away must not tear what everybody needs.
	if err := p.o.Memory.Remember(context.WithoutCancel(ctx), trustKey, b); err != nil {
		return fmt.Errorf("%w: remember key list: %w", provider.ErrOffline, err)
	}
	return nil
}

// relisted notes that the accounts were listed since a signing key was taken away.
func (p *Provider) relisted(ctx context.Context, t *trust) error {
	if t == nil || !t.Relist {
		return nil
	}
	p.taking.Lock()
	defer p.taking.Unlock()
	if p.trust.Load() != t {
		return nil // yet another list came meanwhile
	}
	next := *t
	next.Relist = false
	if err := p.keep(ctx, &next); err != nil {
		return err
	}
	p.trust.Store(&next)
	return nil
}

// Disowning tells whether the newest list took a signing key away and the accounts
// have not been listed since.
func (p *Provider) Disowning() bool {
	t := p.trust.Load()
	return t != nil && t.Relist
}
