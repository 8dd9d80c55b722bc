package sallyport

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// memoryKey is where the realm's keys are kept.
const memoryKey = "sallyport realm keys"

// recallTimeout is for the local memory.
const recallTimeout = 5 * time.Second

// askAgain is the shortest time between two requests for the keys because a
// token names an unknown one: a server that keeps sending such tokens must not
// make each of them two requests.
const askAgain = 2 * time.Second

// trusted is what is kept of a realm: its name and public keys.
type trusted struct {
	Realm string   `cbor:"1,keyasint"`
	Keys  [][]byte `cbor:"2,keyasint"`
}

func (t trusted) keyring() (*identity.Keyring, error) {
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

// recall takes up the keys that were remembered. What does not make sense is as
// good as forgotten: the server will be asked.
func (p *Provider) recall() error {
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	b, err := p.o.Memory.Recall(ctx, memoryKey)
	if errors.Is(err, identity.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("recall realm keys: %w", err)
	}
	var t trusted
	if cbor.Unmarshal(b, &t) != nil || p.wrongRealm(t.Realm) {
		return nil
	}
	if ring, err := t.keyring(); err == nil {
		p.keys.Store(ring)
	}
	return nil
}

func (p *Provider) wrongRealm(realm string) bool { return p.o.Realm != "" && p.o.Realm != realm }

// learn asks the server for the realm's keys and remembers them.
func (p *Provider) learn(ctx context.Context) (*identity.Keyring, error) {
	resp, err := p.realms.Describe(ctx, &v1.DescribeRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask for signing keys: %w", err)
	}
	t := trusted{Realm: resp.GetRealm(), Keys: resp.GetSigningKeys()}
	if p.wrongRealm(t.Realm) {
		return nil, fmt.Errorf("%w: it serves realm %q, not %q", provider.ErrUntrusted, t.Realm, p.o.Realm)
	}
	ring, err := t.keyring()
	if err != nil {
		return nil, fmt.Errorf("%w: signing keys: %w", provider.ErrOffline, err)
	}
	b, err := cbor.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("remember signing keys: %w", err)
	}
	if err := p.o.Memory.Remember(ctx, memoryKey, b); err != nil {
		return nil, fmt.Errorf("%w: remember signing keys: %w", provider.ErrOffline, err)
	}
	p.keys.Store(ring)
	return ring, nil
}

// Verify implements provider.Provider.
func (p *Provider) Verify(signed []byte) (*identity.IDToken, error) {
	ring := p.keys.Load()
	if ring == nil {
		return nil, fmt.Errorf("%w: %w: the realm's keys are not known yet", identity.ErrToken, identity.ErrUnknownKey)
	}
	return ring.IDToken(signed)
}

// check runs verify with the keyring, and once more with a fresh one when the
// token's key is unknown: the realm may have a new one.
func (p *Provider) check(ctx context.Context, verify func(*identity.Keyring) error) error {
	ring := p.keys.Load()
	if ring != nil {
		err := verify(ring)
		if !errors.Is(err, identity.ErrUnknownKey) {
			return err
		}
		now, last := p.o.Now().UnixNano(), p.asked.Load()
		if now-last < int64(askAgain) && now >= last || !p.asked.CompareAndSwap(last, now) {
			// Someone else has just asked; use what they learned.
			return verify(p.keys.Load())
		}
	}
	ring, err := p.learn(ctx)
	if err != nil {
		return err
	}
	return verify(ring)
}

// record verifies what the server sent just now. That it keeps the rules of a
// token is the resolver's to judge.
func (p *Provider) record(ctx context.Context, signed []byte) (provider.Record, error) {
	r := provider.Record{Signed: signed}
	err := p.check(ctx, func(ring *identity.Keyring) (err error) {
		r.Token, err = ring.Vouched(signed)
		return err
	})
	return r, err
}
