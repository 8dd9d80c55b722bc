package realm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"testing"
)

func TestOnlyTheRealmsOwnKeySignsItsList(t *testing.T) {
	b := newBoard(t)
	known, err := hex.DecodeString(b.keys().GetRealmKey())
	b.must(nil, err)
	text, err := os.ReadFile(b.Dir.realmKey())
	b.must(nil, err)
	b.must(b.Dir.findRealmKey(nil, known))
	other, err := newRealmKey()
	b.must(nil, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(nil, err)
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	b.must(nil, err)
	for what, given := range map[string][]byte{
		"another realm's":       other.pem,
		"no PEM":                []byte("x"),
		"two keys":              append(bytes.Clone(other.pem), other.pem...),
		"text behind it":        append(bytes.Clone(other.pem), "more"...),
		"a key of another kind": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"PEM of no key":         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	} {
		if k, err := b.Dir.findRealmKey(given, known); !errors.Is(err, ErrInput) || k != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := b.Dir.findRealmKey(append(text, " \n"...), known); err != nil {
		t.Errorf("its own, with an empty line behind it: %v", err)
	}
	if _, err := Dir(t.TempDir()).findRealmKey(nil, known); err == nil {
		t.Error("a folder without a key signs")
	}
}
