package keyfile_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/keyfile"
)

func pkcs8(tb testing.TB, key any) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestAKeyIsReadOnlyFromAFileThatNobodyElseCanRead(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640, 0o604, 0o644, 0o660} {
		path := filepath.Join(t.TempDir(), "machine.key")
		if err := os.WriteFile(path, pkcs8(t, key), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		got, err := keyfile.Read(path)
		if mode&0o077 != 0 {
			if err == nil || !strings.Contains(err.Error(), "chmod 0600") {
				t.Errorf("mode %04o: %v", mode, err)
			}
		} else if err != nil || !key.Equal(got.(ed25519.PrivateKey)) {
			t.Errorf("mode %04o: another key, or %v", mode, err)
		}
	}
}

// FuzzKey: a file is a key that can sign, or an error that does not show it.
func FuzzKey(f *testing.F) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pkcs8(f, ed))
	f.Add(pkcs8(f, ec))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := keyfile.Parse(text)
		if (key == nil) == (err == nil) {
			t.Fatalf("key %T with error %v", key, err)
		}
		if ed, ok := key.(ed25519.PrivateKey); ok {
			if _, err := ed.Sign(rand.Reader, []byte("x"), crypto.Hash(0)); err != nil {
				t.Errorf("a key that cannot sign: %v", err)
			}
		}
	})
}
