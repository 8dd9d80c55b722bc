package realm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// SigningKey is the key that signs tokens now.
type SigningKey struct {
	ID     string
	Pub    ed25519.PublicKey
	signer *identity.Signer
}

func (d Dir) keyFile(pub ed25519.PublicKey) string {
	return filepath.Join(d.signing(), hex.EncodeToString(identity.KeyID(pub))+".pem")
}

// newSigningKey makes a key and its file. It signs nothing until the database
// names it as the current one.
func (d Dir) newSigningKey() (ed25519.PublicKey, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return pub, WriteNew(d.keyFile(pub), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (d Dir) loadSigningKey(pub ed25519.PublicKey) (*SigningKey, error) {
	b, err := os.ReadFile(d.keyFile(pub))
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read signing key %s: not PEM", d.keyFile(pub))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", d.keyFile(pub), err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok || !pub.Equal(key.Public()) {
		return nil, fmt.Errorf("read signing key %s: not the key that the database names", d.keyFile(pub))
	}
	signer, err := identity.NewSigner(key)
	if err != nil {
		return nil, err
	}
	return &SigningKey{ID: string(identity.KeyID(pub)), Pub: pub, signer: signer}, nil
}

const sealKeyLen = 32

// Box encrypts TOTP secrets for the database: AES-256-GCM with a random nonce in
// front, bound to the account. Its key is in a file beside the database, so that
// a copy of the database alone tells nothing.
type Box struct {
	aead cipher.AEAD
	mac  []byte // the key of hashBackupCode
}

func (d Dir) openBox() (*Box, error) {
	key, err := os.ReadFile(d.sealKey())
	if err != nil {
		return nil, fmt.Errorf("read seal key: %w", err)
	}
	if len(key) != sealKeyLen {
		return nil, fmt.Errorf("read seal key %s: %d bytes, want %d", d.sealKey(), len(key), sealKeyLen)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, key, nil, "sallyport backup codes 1", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return &Box{aead, mac}, nil
}

// HashBackupCode is what is kept of a code: HMAC-SHA-256 with a key of the same
// file. A slow hash is for what people choose; a code is 60 random bits, and who has
// only the database cannot try any.
func (b *Box) HashBackupCode(account uuid.UUID, code identity.Secret) []byte {
	h := hmac.New(sha256.New, b.mac)
	_, _ = h.Write(account[:]) // never fails, see hash.Hash
	_, _ = h.Write(code.Reveal())
	return h.Sum(nil)
}

// Seal encrypts a secret of an account.
func (b *Box) Seal(account uuid.UUID, secret identity.Secret) []byte {
	return b.aead.Seal(nil, nil, secret.Reveal(), account[:]) //nolint:gosec // it makes its own random nonce
}

// Open decrypts what was sealed for that account.
func (b *Box) Open(account uuid.UUID, sealed []byte) (identity.Secret, error) {
	plain, err := b.aead.Open(nil, nil, sealed, account[:])
	if err != nil {
		return identity.Secret{}, errors.New("a sealed secret does not open: seal.key is not the one it was sealed with")
	}
	return identity.NewSecret(plain), nil
}

// removeOtherSigningKeys removes private keys that sign nothing any more. Their
// public halves stay in the database.
func (d Dir) removeOtherSigningKeys(current ed25519.PublicKey, log *slog.Logger) {
	files, err := filepath.Glob(filepath.Join(d.signing(), "*.pem"))
	if err != nil {
		return
	}
	for _, f := range files {
		if f == d.keyFile(current) {
			continue
		}
		if err := os.Remove(f); err != nil {
			log.Warn("an old signing key could not be removed", "file", f, "error", err)
		}
	}
}

// Signer signs tokens with the key that is the current one.
func (r *Realm) Signer() *identity.Signer { return r.signing.Load().signer }
