package realm

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// The files that releases up to 0.1 kept keys in. They are taken into the database, all at
// once, by the first program that opens the folder and knows how; then they are removed.
func (d Dir) oldSigning() string { return filepath.Join(string(d), "signing") }
func (d Dir) oldCAKey() string   { return filepath.Join(string(d), "ca.key") }
func (d Dir) oldList() string    { return filepath.Join(string(d), "realm.list") }

// adoptFiles takes them into the database where that does not have them yet.
func (r *Realm) adoptFiles(ctx context.Context) error {
	has := func(tx *store.Tx) (pub ed25519.PublicKey, has bool, err error) {
		pub, sealed, err := tx.SignsNow()
		if errors.Is(err, identity.ErrNotFound) {
			err = fmt.Errorf("the realm in %s has no signing key", r.Dir)
		}
		return pub, sealed != nil, err
	}
	var old bool
	err := r.Store.Read(ctx, func(tx *store.Tx) error {
		_, is, err := has(tx)
		old = !is
		return err
	})
	if err == nil && old {
		err = r.Store.Write(ctx, func(tx *store.Tx) error {
			pub, is, err := has(tx)
			if err != nil || is {
				return err
			}
			return r.adopt(tx, pub)
		})
	}
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(r.Dir.oldSigning()), gone(r.Dir.oldCAKey()), gone(r.Dir.oldList()), gone(r.Dir.caCert()+".next"))
}

func gone(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a key that is in the database: %w", err)
	}
	return nil
}

func (r *Realm) adopt(tx *store.Tx, pub ed25519.PublicKey) error {
	text, err := os.ReadFile(filepath.Join(r.Dir.oldSigning(), hex.EncodeToString(identity.KeyID(pub))+".pem"))
	if err != nil {
		return fmt.Errorf("read signing key: %w", err)
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("read signing key: not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("read signing key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok || !pub.Equal(key.Public()) {
		return errors.New("read signing key: not the key that the database names")
	}
	if _, err := r.Box.storeSigningKey(tx, key); err != nil {
		return err
	}
	if r.Settings.TLSCert == "" {
		ca, err := r.Dir.oldAuthority()
		if err != nil {
			return err
		}
		if err := r.Box.storeAuthority(tx, ca); err != nil {
			return err
		}
	}
	list, err := os.ReadFile(r.Dir.oldList())
	if errors.Is(err, os.ErrNotExist) {
		return nil // from before there were realm keys
	}
	if err != nil {
		return fmt.Errorf("read key list: %w", err)
	}
	return tx.SetKeyList(list)
}

// oldAuthority reads the authority's files. A renewal may have been cut off between the key
// and the certificate.
func (d Dir) oldAuthority() (*tls.Certificate, error) {
	ca, err := readCertificate(d.caCert(), d.oldCAKey())
	if err == nil {
		return ca, nil
	}
	if next, nextErr := readCertificate(d.caCert()+".next", d.oldCAKey()); nextErr == nil {
		return next, nil
	}
	return nil, err
}
