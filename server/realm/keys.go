package realm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// KeyUse is what a private key in the database is for.
type KeyUse string

// The uses. A key that was stored for one does not open for another.
const (
	ForTokens       KeyUse = "tokens"
	ForCertificates KeyUse = "certificates"
	ForSSHUsers     KeyUse = "ssh users"
	ForSSHHosts     KeyUse = "ssh hosts"
)

// sealKey encrypts a private key for the database, bound to its use and public half.
func (b *Box) sealKey(use KeyUse, pub []byte, key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("seal a private key: %w", err)
	}
	defer clear(der)
	return b.keys.Seal(nil, nil, der, about(use, pub)), nil //nolint:gosec // it makes its own random nonce
}

// OpenKey decrypts a private key of the database.
func (b *Box) OpenKey(use KeyUse, pub, sealed []byte) (any, error) {
	der, err := b.keys.Open(nil, nil, sealed, about(use, pub))
	if err != nil {
		return nil, errors.New("a private key does not open: seal.key is not the one it was sealed with")
	}
	defer clear(der)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("a private key: %w", err)
	}
	return key, nil
}

// about is what a sealed key is bound to.
func about(use KeyUse, pub []byte) []byte { return append([]byte(string(use)+"\x00"), pub...) }

const sealKeyLen = 32

// Box encrypts for the database: TOTP secrets, bound to the account, and the realm's
// private keys, with AES-256-GCM and a random nonce in front. Its key is in a file beside
// the database, so that a copy of the database alone tells nothing. All servers of a realm
// have the same.
type Box struct {
	aead cipher.AEAD
	keys cipher.AEAD // of private keys
	mac  []byte      // the key of HashBackupCode
}

// OpenBox opens the folder's.
func (d Dir) OpenBox() (*Box, error) {
	key, err := os.ReadFile(d.sealKey())
	if err != nil {
		return nil, fmt.Errorf("read seal key: %w", err)
	}
	defer clear(key)
	if len(key) != sealKeyLen {
		return nil, fmt.Errorf("read seal key %s: %d bytes, want %d", d.sealKey(), len(key), sealKeyLen)
	}
	aead, err1 := aesGCM(key)
	other, err2 := hkdf.Key(sha256.New, key, nil, "sallyport private keys 1", sealKeyLen)
	mac, err3 := hkdf.Key(sha256.New, key, nil, "sallyport backup codes 1", sha256.Size)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	keys, err := aesGCM(other)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return &Box{aead, keys, mac}, nil
}

func aesGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return aead, nil
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
