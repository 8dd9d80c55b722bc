package realm

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// SigningKey is a key that signs tokens.
type SigningKey struct {
	ID     string
	Pub    ed25519.PublicKey
	signer *identity.Signer
}

// maxSigners bounds the keys that are held open: one signs, and one did a moment ago.
const maxSigners = 4

// signers are the signing keys that were opened, by their public halves.
type signers struct {
	mu sync.Mutex
	m  map[string]*SigningKey
}

// signing is the key that signs tokens at the moment of the transaction: whichever server
// of the realm made it, and whatever this one has signed with before.
func (r *Realm) signing(tx *store.Tx) (*SigningKey, error) {
	if r.reader != nil {
		return r.reader.signing(r, tx)
	}
	pub, sealed, err := tx.SignsNow()
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return r.opened(pub, sealed)
}

// signingBy is signing where the key was read with something else.
func (r *Realm) signingBy(tx *store.Tx, s store.Signs) (*SigningKey, error) {
	if r.reader != nil {
		return r.reader.signing(r, tx)
	}
	if len(s.Key) == 0 {
		return nil, errors.New("signing key: the database has none")
	}
	return r.opened(s.Key, s.Sealed)
}

// opened is a key of the database, opened once.
func (r *Realm) opened(pub ed25519.PublicKey, sealed []byte) (*SigningKey, error) {
	r.signers.mu.Lock()
	defer r.signers.mu.Unlock()
	if k, ok := r.signers.m[string(pub)]; ok {
		return k, nil
	}
	k, err := r.Box.openSigningKey(pub, sealed)
	if err != nil {
		return nil, err
	}
	if r.signers.m == nil || len(r.signers.m) >= maxSigners {
		r.signers.m = make(map[string]*SigningKey)
	}
	r.signers.m[string(pub)] = k
	return k, nil
}

// SignerBy is Signer where the key was read with something else.
func (r *Realm) SignerBy(tx *store.Tx, s store.Signs) (*identity.Signer, error) {
	k, err := r.signingBy(tx, s)
	if err != nil {
		return nil, err
	}
	return k.signer, nil
}

// Signer signs tokens with the key that is the current one.
func (r *Realm) Signer(tx *store.Tx) (*identity.Signer, error) {
	k, err := r.signing(tx)
	if err != nil {
		return nil, err
	}
	return k.signer, nil
}

// addSigningKey makes a key and has it sign from now on. Private halves that sign nothing
// any more are forgotten; the public ones still verify.
func (b *Box) addSigningKey(tx *store.Tx, now time.Time) (*SigningKey, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	if err := tx.AddSigningKey(pub, now); err != nil {
		return nil, err
	}
	return b.storeSigningKey(tx, key)
}

// storeSigningKey encrypts and stores the private half of a key that the database names.
func (b *Box) storeSigningKey(tx *store.Tx, key ed25519.PrivateKey) (*SigningKey, error) {
	pub := key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // an Ed25519 key has no other
	sealed, err := b.sealKey(ForTokens, pub, key)
	if err != nil {
		return nil, err
	}
	if err := tx.SealSigningKey(pub, sealed); err != nil {
		return nil, err
	}
	return b.openSigningKey(pub, sealed)
}

func (b *Box) openSigningKey(pub ed25519.PublicKey, sealed []byte) (*SigningKey, error) {
	parsed, err := b.OpenKey(ForTokens, pub, sealed)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok || !pub.Equal(key.Public()) {
		return nil, errors.New("signing key: not the key that the database names")
	}
	signer, err := identity.NewSigner(key)
	if err != nil {
		return nil, err
	}
	return &SigningKey{ID: string(identity.KeyID(pub)), Pub: pub, signer: signer}, nil
}
