package realm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"
)

func TestOnlyTheKeyThatTheDatabaseNamesSignsTokens(t *testing.T) {
	b := newBoard(t)
	pub, err := b.Dir.newSigningKey()
	b.must(nil, err)
	other, err := b.Dir.newSigningKey()
	b.must(nil, err)
	if k, err := b.Dir.loadSigningKey(pub); err != nil || !k.Pub.Equal(pub) {
		t.Fatalf("its own: %v", err)
	}
	anothers, err := os.ReadFile(b.Dir.keyFile(other))
	b.must(nil, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(nil, err)
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	b.must(nil, err)
	for what, text := range map[string][]byte{
		"another key":           anothers,
		"a key of another kind": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"PEM of no key":         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
		"no PEM":                []byte("x"),
		"nothing":               nil,
	} {
		b.must(nil, os.WriteFile(b.Dir.keyFile(pub), text, 0o600))
		if k, err := b.Dir.loadSigningKey(pub); err == nil || k != nil {
			t.Errorf("%s signs: %v", what, k)
		}
	}
}

func TestASealKeyOfAnotherLengthOpensNothing(t *testing.T) {
	b := newBoard(t)
	for n := range 2 * sealKeyLen {
		b.must(nil, os.WriteFile(b.Dir.sealKey(), make([]byte, n), 0o600))
		if _, err := b.Dir.openBox(); (err == nil) != (n == sealKeyLen) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
