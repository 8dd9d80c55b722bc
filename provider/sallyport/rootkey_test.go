package sallyport_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// rootKey is a realm key in a test's hands.
type rootKey struct {
	t      testing.TB
	pub    ed25519.PublicKey
	signer *identity.Signer
}

func newRootKey(t testing.TB) *rootKey {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	ok(t, nil, err)
	signer, err := identity.NewSigner(key)
	ok(t, nil, err)
	return &rootKey{t, pub, signer}
}

// bundle is a list of these signing keys and that server, alone.
func (k *rootKey) bundle(version uint64, server *x509.Certificate, keys ...ed25519.PublicKey) []byte {
	k.t.Helper()
	l := &identity.KeyList{Realm: "r", Version: version, TLS: []identity.TLSTrust{identity.TrustServer(server)}}
	for _, pub := range keys {
		l.Keys = append(l.Keys, pub)
	}
	return k.signed(l)
}

func (k *rootKey) signed(l *identity.KeyList) []byte {
	k.t.Helper()
	list, err := k.signer.SignKeyList(l)
	ok(k.t, nil, err)
	b, err := (&identity.KeyBundle{RealmKey: k.pub, List: list}).Encode()
	ok(k.t, nil, err)
	return b
}

// anchor is what a machine that joined has in its file.
func (k *rootKey) anchor(bundle []byte) []byte {
	k.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.pub)
	ok(k.t, nil, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if bundle == nil {
		return text
	}
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "SALLYPORT KEY LIST", Bytes: bundle})...)
}

// trusted makes a machine believe that the liar is its realm.
func (l *liar) trusted(t testing.TB, s *httptest.Server) []byte {
	t.Helper()
	root := newRootKey(t)
	l.list = root.bundle(1, s.Certificate(), l.pub)
	return root.anchor(l.list)
}

func clientOf(t http.RoundTripper) *http.Client { return &http.Client{Transport: t} }

func fingerprintOf(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}
