// Package seal binds secrets to this machine: what it computes can be computed
// here and nowhere else. The resolver runs every offline verifier through it, so
// that a copied database cannot be searched for passwords.
//
// A [Sealer] gives an HMAC under a key that never leaves it. [CreateFile] and
// [OpenFile] keep that key in a file, which protects against a stolen database,
// not against a stolen disk with the file on it: status says so. The package
// promises that a key file is whole or absent, and that one which others could
// have read or written is refused. It rotates and copies nothing.
package seal

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Sealer computes what only this machine can.
type Sealer interface {
	// Kind names the means, for status: "file".
	Kind() string
	// HMAC returns the HMAC-SHA-256 (RFC 2104) of data under the machine's key.
	HMAC(ctx context.Context, data []byte) ([]byte, error)
}

// KeyLen is the length of the key, in bytes.
const KeyLen = 32

// ErrKeyFile says that a key file is not one, or that others may read or change
// it. The text says which, and what to do.
var ErrKeyFile = errors.New("seal key file refused")

// File is a Sealer with its key in a file. Make it with [OpenFile] or
// [CreateFile]; it is safe for concurrent use.
type File struct{ key []byte }

// Kind returns "file".
func (f *File) Kind() string { return "file" }

// HMAC never fails and ignores the context: the key is in memory.
func (f *File) HMAC(_ context.Context, data []byte) ([]byte, error) {
	if len(f.key) != KeyLen {
		return nil, fmt.Errorf("%w: no key is loaded", ErrKeyFile)
	}
	m := hmac.New(sha256.New, f.key)
	m.Write(data)
	return m.Sum(nil), nil
}

// OpenFile reads the key at path. It must be a regular file of exactly
// [KeyLen] bytes, owned by the calling user, mode 0600 or stricter. It returns
// an error that is [os.ErrNotExist] when there is none.
func OpenFile(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrKeyFile, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open seal key: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	// The open descriptor is judged, not the path, which may change in between.
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open seal key: %w", err)
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	key := make([]byte, KeyLen)
	if _, err := io.ReadFull(f, key); err != nil {
		return nil, fmt.Errorf("read seal key: %w", err)
	}
	return &File{key: key}, nil
}

func check(path string, info os.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is not a regular file", ErrKeyFile, path)
	case !ok || int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%w: %s must belong to uid %d", ErrKeyFile, path, os.Geteuid())
	case info.Mode().Perm()&0o177 != 0:
		return fmt.Errorf("%w: %s has mode %04o, must be 0600: others may have read the key, make a new one",
			ErrKeyFile, path, info.Mode().Perm())
	case info.Size() != KeyLen:
		return fmt.Errorf("%w: %s has %d bytes, must have %d", ErrKeyFile, path, info.Size(), KeyLen)
	}
	return nil
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

// writeNew publishes by link(2), which unlike rename(2) refuses to replace.
func writeNew(path string, key []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".seal-*") // mode 0600
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // only the second name
	_, werr := tmp.Write(key)
	if err := errors.Join(werr, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	d, err := os.Open(dir)
	if err != nil {
		return err //nolint:wrapcheck // the caller says what for
	}
	defer d.Close() //nolint:errcheck // read only
	return d.Sync() //nolint:wrapcheck // the caller says what for
}
