package realm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ownCertificate writes a server certificate with a new key into a folder.
func ownCertificate(t *testing.T, cert, key string, number int64) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(2_000_000_000, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := replace(path, pem.EncodeToMemory(b)); err != nil {
			t.Fatal(err)
		}
	}
}

// Promise keys-renewed.
// Promise clients-renewed.
func TestARenewedCertificateIsServedWithoutARestart(t *testing.T) {
	b := newBoard(t)
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	ownCertificate(t, cert, key, 1)
	set := b.Settings
	set.TLSCert, set.TLSKey = cert, key
	text, err := json.Marshal(set)
	b.must(nil, err)
	b.must(nil, replace(b.Dir.settings(), text))
	b.reopen()
	b.must(nil, b.Register(t.Context(), "", b.Now()))
	serves := func(want int64) {
		t.Helper()
		c, err := b.certs.get(nil)
		if err != nil || c.Leaf.SerialNumber.Int64() != want {
			t.Errorf("certificate %v (%v) is served, want number %d", c.Leaf.SerialNumber, err, want)
		}
		trust := b.certs.trust()
		if is := b.keys(); is.GetProblem() != "" || len(is.GetTls()) != 1 || !strings.Contains(is.GetTls()[0], hex.EncodeToString(trust.Key)) {
			t.Errorf("the key list does not name it alone: %v", is)
		}
	}
	version := func() uint64 { return b.keys().GetVersion() }
	serves(1)
	was := version()
	b.RenewCertificate(t.Context())
	serves(1)
	if version() != was {
		t.Error("a list was signed for a certificate that is as it was")
	}
	old, err := os.ReadFile(key)
	b.must(nil, err)
	ownCertificate(t, cert, key, 2)
	next, err := os.ReadFile(key)
	b.must(nil, err)
	b.must(nil, replace(key, append(old, '\n'))) // only one of the two is there yet
	b.RenewCertificate(t.Context())
	serves(1)
	b.must(nil, replace(key, append(next, '\n', '\n')))
	b.unix.Add(1)
	b.RenewCertificate(t.Context())
	serves(2)
	b.must(nil, os.Remove(cert))
	b.RenewCertificate(t.Context())
	serves(2)
}
