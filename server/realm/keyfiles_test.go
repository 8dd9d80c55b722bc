package realm

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

func TestOnlyTheKeyThatTheDatabaseNamesSignsTokens(t *testing.T) {
	b := newBoard(t)
	pub, key, err := ed25519.GenerateKey(nil)
	b.must(nil, err)
	other, anothers, err := ed25519.GenerateKey(nil)
	b.must(nil, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(nil, err)
	seal := func(use KeyUse, pub ed25519.PublicKey, key any) []byte {
		sealed, err := b.Box.sealKey(use, pub, key)
		b.must(nil, err)
		return sealed
	}
	good := seal(ForTokens, pub, key)
	if k, err := b.Box.openSigningKey(pub, good); err != nil || !k.Pub.Equal(pub) {
		t.Fatalf("its own: %v", err)
	}
	for what, sealed := range map[string][]byte{
		"another key":                  seal(ForTokens, pub, anothers),
		"another key, stored as that":  seal(ForTokens, other, anothers),
		"a key of another kind":        seal(ForTokens, pub, ec),
		"the same key for another use": seal(ForCertificates, pub, key),
		"a key that was tampered with": append(good[:len(good)-1:len(good)-1], good[len(good)-1]^1),
		"a key that is cut off":        good[:len(good)-1],
		"nothing":                      nil,
	} {
		if k, err := b.Box.openSigningKey(pub, sealed); err == nil || k != nil {
			t.Errorf("%s signs: %v", what, k)
		}
	}
}

func TestASealKeyOfAnotherLengthOpensNothing(t *testing.T) {
	b := newBoard(t)
	for n := range 2 * sealKeyLen {
		b.must(nil, os.WriteFile(b.Dir.sealKey(), make([]byte, n), 0o600))
		if _, err := b.Dir.OpenBox(); (err == nil) != (n == sealKeyLen) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// before makes the folder what it was when keys were files, and returns those.
func (b *board) before() (files []string) {
	b.t.Helper()
	write := func(name string, text []byte) {
		b.must(nil, os.MkdirAll(filepath.Dir(filepath.Join(string(b.Dir), name)), 0o700))
		b.must(nil, os.WriteFile(filepath.Join(string(b.Dir), name), text, 0o600))
		files = append(files, name)
	}
	asPEM := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		b.must(nil, err)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		pub, sealed, err := tx.SignsNow()
		b.must(nil, err)
		key, err := b.Box.OpenKey(ForTokens, pub, sealed)
		b.must(nil, err)
		write("signing/"+hex.EncodeToString(identity.KeyID(pub))+".pem", asPEM(key))
		write("ca.key", asPEM(b.certs.ca.PrivateKey))
		list, err := tx.KeyList()
		b.must(nil, err)
		write("realm.list", list)
		return nil
	}))
	raw := postgres.Raw(b.t, "", b.Dir.Database())
	b.must(raw.ExecContext(b.t.Context(), `UPDATE signing_keys SET sealed = NULL; DELETE FROM authority; DELETE FROM key_list`))
	return files
}

// Promise keys-adopted.
func TestAFolderFromBeforeHandsItsKeysToTheDatabase(t *testing.T) {
	b := newBoard(t)
	was, authority := b.keys(), b.certs.trust()
	files := b.before()
	b.reopen()
	if now := b.keys(); now.GetFingerprint() != was.GetFingerprint() || now.GetVersion() != was.GetVersion() || now.GetSigningKeys()[0] != was.GetSigningKeys()[0] {
		t.Errorf("the keys are %v, and were %v", now, was)
	}
	if !b.certs.trust().Equal(authority) {
		t.Error("the authority is another")
	}
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(string(b.Dir), f)); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
	if _, err := tls.LoadX509KeyPair(b.Dir.caCert(), b.Dir.oldCAKey()); err == nil {
		t.Error("the key of the authority is readable beside it")
	}
	b.reopen()
	b.rotate()
}

// Promise keys-adopted.
func TestAFolderWhoseKeysDoNotFitIsNotAdopted(t *testing.T) {
	b := newBoard(t)
	files := b.before()
	other := newBoard(t)
	others := other.before()
	for i, f := range files[:2] {
		good, err := os.ReadFile(filepath.Join(string(b.Dir), f))
		b.must(nil, err)
		wrong, err := os.ReadFile(filepath.Join(string(other.Dir), others[i]))
		b.must(nil, err)
		for what, text := range map[string][]byte{"another realm's": wrong, "nonsense": []byte("x"), "nothing": nil} {
			b.must(nil, os.WriteFile(filepath.Join(string(b.Dir), f), text, 0o600))
			if err := b.adoptFiles(t.Context()); err == nil {
				t.Errorf("%s of %s is taken", what, f)
			}
		}
		if _, err := os.Stat(filepath.Join(string(b.Dir), files[2])); err != nil {
			t.Errorf("after it %s is gone: %v", files[2], err)
		}
		b.must(nil, os.WriteFile(filepath.Join(string(b.Dir), f), good, 0o600))
	}
	b.reopen()
}
