package realm

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/sallyport-auth/sallyport/identity"
)

func (d Dir) realmKey() string { return filepath.Join(string(d), "realm.key") }

// errNoRealmKey says that a command needs the realm key and has none.
var errNoRealmKey = errors.New("the realm key is not in the folder")

// realmSigner is a realm key that signs.
type realmSigner struct {
	pub    ed25519.PublicKey
	signer *identity.Signer
	pem    []byte
}

func newRealmKey() (*realmSigner, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make realm key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make realm key: %w", err)
	}
	return parseRealmKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// parseRealmKey reads one private key in PEM and nothing else.
func parseRealmKey(text []byte) (*realmSigner, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: the realm key is not one private key in PEM", ErrInput)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: the realm key: %w", ErrInput, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: the realm key is not an Ed25519 key", ErrInput)
	}
	s, err := identity.NewSigner(key)
	if err != nil {
		return nil, err
	}
	return &realmSigner{pub: key.Public().(ed25519.PublicKey), signer: s, pem: text}, nil //nolint:forcetypeassert // an Ed25519 key has no other
}

// findRealmKey is the one that was given, or the one in the folder. It must be the
// one that machines know.
func (d Dir) findRealmKey(given []byte, known ed25519.PublicKey) (*realmSigner, error) {
	text := given
	if len(text) == 0 {
		var err error
		text, err = os.ReadFile(d.realmKey())
		if errors.Is(err, os.ErrNotExist) {
			return nil, RefusalError(fmt.Sprintf("%v: give its file with --realm-key FILE. If it is lost, see \"realm-key new\" in sallyport-server(8)", errNoRealmKey))
		}
		if err != nil {
			return nil, fmt.Errorf("read realm key: %w", err)
		}
		defer clear(text)
	}
	k, err := parseRealmKey(text)
	if err != nil {
		return nil, err
	}
	if !k.pub.Equal(known) {
		return nil, fmt.Errorf("%w: this is not the realm key that signs now: it is %x, and machines know %x", ErrInput, k.pub, known)
	}
	return k, nil
}

// firstRealmKey is the one that an earlier try, which was cut off, made; or a new one.
func (d Dir) firstRealmKey() (*realmSigner, error) {
	text, err := os.ReadFile(d.realmKey())
	if err == nil {
		return parseRealmKey(text)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read realm key: %w", err)
	}
	k, err := newRealmKey()
	if err != nil {
		return nil, err
	}
	return k, replace(d.realmKey(), k.pem)
}

func (d Dir) hasRealmKey() bool {
	_, err := os.Stat(d.realmKey())
	return err == nil
}

// replace writes a file whole or not at all, 0600.
func replace(path string, b []byte) error {
	if err := renameio.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncFolder(filepath.Dir(path))
}

// ExportRealmKey copies the realm key of that folder to a file that must not exist
// yet, and reads it back.
func ExportRealmKey(folder, file string) error {
	text, err := os.ReadFile(Dir(folder).realmKey())
	if err != nil {
		return fmt.Errorf("read realm key: %w", err)
	}
	defer clear(text)
	if err := WriteNew(file, text); err != nil {
		return err
	}
	copied, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(copied, text) {
		return errors.Join(fmt.Errorf("%s does not read back as it was written", file), err)
	}
	return nil
}

// RemoveRealmKey takes the realm key out of that folder. copied is a file that holds
// the same key: without one the realm would lose it.
func RemoveRealmKey(folder, copied string) error {
	d := Dir(folder)
	text, err := os.ReadFile(d.realmKey())
	if err != nil {
		return fmt.Errorf("read realm key: %w", err)
	}
	defer clear(text)
	other, err := os.ReadFile(copied)
	if err != nil {
		return fmt.Errorf("read the copy: %w", err)
	}
	defer clear(other)
	if !bytes.Equal(bytes.TrimSpace(text), bytes.TrimSpace(other)) {
		return fmt.Errorf("%s is not a copy of %s: nothing was removed", copied, d.realmKey())
	}
	if err := os.Remove(d.realmKey()); err != nil {
		return fmt.Errorf("remove realm key: %w", err)
	}
	return nil
}

func (d Dir) nextRealmKey() string { return d.realmKey() + ".next" }

// takeNextRealmKey puts the realm key that the list was just signed with in its place.
func (d Dir) takeNextRealmKey() error {
	if err := os.Rename(d.nextRealmKey(), d.realmKey()); err != nil {
		return fmt.Errorf("put realm key in place: %w", err)
	}
	return nil
}

// settleRealmKey finishes a change of the realm key that was cut off, or undoes it.
func (d Dir) settleRealmKey(signs ed25519.PublicKey) error {
	text, err := os.ReadFile(d.nextRealmKey())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read realm key: %w", err)
	}
	defer clear(text)
	if k, err := parseRealmKey(text); err == nil && k.pub.Equal(signs) {
		return d.takeNextRealmKey()
	}
	if err := os.Remove(d.nextRealmKey()); err != nil {
		return fmt.Errorf("remove realm key: %w", err)
	}
	return nil
}
