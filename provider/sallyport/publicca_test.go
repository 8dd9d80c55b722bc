package sallyport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// publicCA is an authority that signs for everybody, by an intermediate.
type publicCA struct{ root, between tls.Certificate }

func newPublicCA(t testing.TB) publicCA {
	t.Helper()
	root := issue(t, nil, true)
	return publicCA{root, issue(t, &root, true)}
}

// leaf is a certificate for the loopback, with the intermediate behind it.
func (ca publicCA) leaf(t testing.TB) tls.Certificate {
	t.Helper()
	c := issue(t, &ca.between, false)
	c.Certificate = append(c.Certificate, ca.between.Certificate[0])
	return c
}

func issue(t testing.TB, by *tls.Certificate, authority bool) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, nil, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "public"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: authority, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if authority {
		c.KeyUsage = x509.KeyUsageCertSign
	} else {
		c.ExtKeyUsage, c.IPAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	parent, signer := c, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	ok(t, nil, err)
	leaf, err := x509.ParseCertificate(der)
	ok(t, nil, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// install writes a certificate where the server reads it.
func install(t testing.TB, c tls.Certificate, certFile, keyFile string) {
	t.Helper()
	var text []byte
	for _, der := range c.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	ok(t, nil, err)
	ok(t, nil, os.WriteFile(certFile, text, 0o600))
	ok(t, nil, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

// Promise keys-any-authority.
func TestARenewedPublicCertificateKeepsMachinesOnline(t *testing.T) {
	first, other := newPublicCA(t), newPublicCA(t)
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	install(t, first.leaf(t), certFile, keyFile)
	r := &liveRealm{t: t, dir: filepath.Join(folder, "realm")}
	ok(t, nil, realm.Init(t.Context(), realm.InitOptions{
		Dir: r.dir, Realm: "example.org", Listen: "127.0.0.1:0", OfflineDays: 14, TLSCert: certFile, TLSKey: keyFile,
	}))
	r.start("")
	r.account("alice")
	o := r.options("box")
	p := open(t, o)
	ok(t, nil, fetches(t, p))
	address := r.url[len("https://"):]
	for sentence, ca := range map[string]publicCA{"a new leaf": first, "a new leaf of another authority": other} {
		r.stop()
		install(t, ca.leaf(t), certFile, keyFile)
		r.start(address)
		if err := fetches(t, p); err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
		if err := fetches(t, open(t, o)); err != nil {
			t.Errorf("%s, after a restart: %v", sentence, err)
		}
	}
	// Without the realm key the server cannot say that its certificate is a new one.
	key := filepath.Join(folder, "safe.key")
	ok(t, nil, realm.ExportRealmKey(r.dir, key))
	ok(t, nil, realm.RemoveRealmKey(r.dir, key))
	r.stop()
	install(t, first.leaf(t), certFile, keyFile)
	r.start(address)
	if err := fetches(t, open(t, o)); !errors.Is(err, provider.ErrUntrusted) {
		t.Errorf("a certificate that no list names: %v", err)
	}
	if _, err := r.admin.AddMachine(t.Context(), &v1.NameRequest{Name: "late"}); err == nil {
		t.Error("a machine is invited though no fingerprint fits")
	}
	text, err := os.ReadFile(key)
	ok(t, nil, err)
	_, err = r.admin.SignKeys(t.Context(), &v1.SignKeysRequest{RealmKey: text})
	ok(t, nil, err)
	ok(t, nil, fetches(t, open(t, o)))
}

// Promise keys-any-authority.
func TestAPublicAuthoritysOtherCustomersAreStrangers(t *testing.T) {
	ca := newPublicCA(t)
	h := newHouse(t)
	h.cert = ca.leaf(t)
	h.list = h.root.bundle(2, h.cert.Leaf, public(h.signing))
	h.machine.RootPEM = h.root.anchor(h.list)
	h.answer(h.cert, &answers{list: h.list, token: h.token(h.signing, 1)})
	p := h.start()
	ok(t, nil, fetches(t, p))
	h.answer(ca.leaf(t), &answers{list: h.list, token: h.token(h.signing, 1)})
	_ = p.Close()
	for _, p := range []*sallyport.Provider{p, h.start()} {
		if err := fetches(t, p); !errors.Is(err, provider.ErrUntrusted) {
			t.Errorf("another leaf of the same intermediate, for the same name: %v", err)
		}
	}
}
