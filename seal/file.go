package seal

import (
	"context"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
)

// KeyLen is the length of a file's key, in bytes.
const KeyLen = 32

// openingLabel sets the key that opens apart from the one that makes HMACs. It
// goes through HKDF's extract step first: HMAC(key, label) alone would be an
// answer that HMAC gives.
const openingLabel = "sallyport seal opening key v1"

// File is a Sealer with its key in a file. Make it with [OpenFile] or
// [CreateFile].
type File struct {
	key     []byte
	opening hpke.PrivateKey
}

func newFile(key []byte) (*File, error) {
	seed, err := hkdf.Key(sha256.New, key, nil, openingLabel, KeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive opening key: %w", err)
	}
	defer clear(seed)
	opening, err := hpke.DHKEM(ecdh.P256()).DeriveKeyPair(seed)
	if err != nil {
		return nil, fmt.Errorf("derive opening key: %w", err)
	}
	return &File{key: key, opening: opening}, nil
}

func (f *File) loaded() error {
	if len(f.key) != KeyLen || f.opening == nil {
		return fmt.Errorf("%w: no key is loaded", ErrKeyFile)
	}
	return nil
}

// Kind returns "file".
func (f *File) Kind() string { return KindFile }

// HMAC ignores the context: the key is in memory.
func (f *File) HMAC(_ context.Context, data []byte) ([]byte, error) {
	if err := f.loaded(); err != nil {
		return nil, err
	}
	if len(data) > MaxData {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(data), MaxData)
	}
	m := hmac.New(sha256.New, f.key)
	m.Write(data)
	return m.Sum(nil), nil
}

// Public ignores the context.
func (f *File) Public(context.Context) ([]byte, error) {
	if err := f.loaded(); err != nil {
		return nil, err
	}
	return f.opening.PublicKey().Bytes(), nil
}

// Open ignores the context.
func (f *File) Open(_ context.Context, info, sealed []byte) ([]byte, error) {
	if err := f.loaded(); err != nil {
		return nil, err
	}
	return openWith(f.opening, info, sealed)
}

// openWith is the one suite of algorithms, whoever holds the key.
func openWith(key hpke.PrivateKey, info, sealed []byte) ([]byte, error) {
	secret, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return secret, nil
}

// OpenFile reads the key at path. It must be a regular file of exactly
// [KeyLen] bytes, owned by the calling user, mode 0600 or stricter. It returns
// an error that is [os.ErrNotExist] when there is none.
func OpenFile(path string) (*File, error) {
	key, err := readOwn(path, ErrKeyFile, KeyLen, KeyLen)
	if err != nil {
		return nil, fmt.Errorf("open seal key: %w", err)
	}
	return newFile(key)
}

// CreateFile makes a new random key at path and opens it. The folder must
// exist. It never replaces a key: then its error is [os.ErrExist]. After a crash
// at any instant the file is whole or absent.
func CreateFile(path string) (*File, error) {
	key := make([]byte, KeyLen)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("create seal key: %w", err)
	}
	if err := writeNew(path, key); err != nil {
		return nil, fmt.Errorf("create seal key: %w", err)
	}
	return OpenFile(path)
}

// openOrCreateFile opens the key at path, and makes it if there is none.
func openOrCreateFile(path string) (*File, error) {
	f, err := OpenFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return CreateFile(path)
	}
	return f, err
}
