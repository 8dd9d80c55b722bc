package realm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// How long certificates of the realm's own authority live. A leaf exists in
// memory only and is renewed while serving.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	leafLife   = 90 * 24 * time.Hour
	leafRenew  = 30 * 24 * time.Hour
	clockSlack = time.Hour // machines whose clock is a little behind
)

// newAuthority makes a certificate authority and stores it in place of the one before.
func (b *Box) newAuthority(tx *store.Tx, realm string, now time.Time) error {
	cert, key, err := newCA(realm, now)
	if err != nil {
		return err
	}
	ca, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("make certificate authority: %w", err)
	}
	return b.storeAuthority(tx, &ca)
}

func (b *Box) storeAuthority(tx *store.Tx, ca *tls.Certificate) error {
	sealed, err := b.sealKey(ForCertificates, ca.Leaf.RawSubjectPublicKeyInfo, ca.PrivateKey)
	if err != nil {
		return err
	}
	return tx.SetAuthority(ca.Leaf.Raw, sealed)
}

// authority is the realm's own certificate authority.
func (b *Box) authority(tx *store.Tx) (*tls.Certificate, error) {
	der, sealed, err := tx.Authority()
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	key, err := b.OpenKey(ForCertificates, leaf.RawSubjectPublicKeyInfo, sealed)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// newCA makes a certificate authority, in PEM. Its key is P-256, not Ed25519,
// because common TLS clients refuse Ed25519 certificates.
func newCA(realm string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate authority: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Sallyport realm " + realm},
		NotBefore: now.Add(-clockSlack), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate authority: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

func readCertificate(cert, key string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	return &c, nil
}

// certificates hands out the certificate to serve.
type certificates struct {
	ca    *tls.Certificate // nil when current came from files
	names []string
	now   func() time.Time
	read  []stamp // of the files, when they were read

	mu      sync.Mutex
	current *tls.Certificate
}

// certificates are those of the files that the settings name, or of the realm's own
// authority.
func (r *Realm) certificates(tx *store.Tx) (*certificates, error) {
	s := r.Settings
	if s.TLSCert != "" {
		at, err := stampsOf(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, err
		}
		c, err := readCertificate(s.TLSCert, s.TLSKey)
		return &certificates{current: c, read: at}, err
	}
	ca, err := r.Box.authority(tx)
	if err != nil {
		return nil, err
	}
	c := &certificates{ca: ca, names: append([]string{"localhost", "127.0.0.1", "::1"}, s.Names...), now: r.Now}
	if host, _, err := net.SplitHostPort(s.Listen); err == nil && host != "" {
		c.names = append(c.names, host)
	}
	if h, err := os.Hostname(); err == nil {
		c.names = append(c.names, h)
	}
	_, err = c.get(nil)
	return c, err
}

// get is for tls.Config.GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ca == nil {
		return c.current, nil
	}
	now := c.now()
	if c.current == nil || now.After(c.current.Leaf.NotAfter.Add(-leafRenew)) {
		leaf, err := c.makeLeaf(now)
		if err != nil {
			return nil, err
		}
		c.current = leaf
	}
	return c.current, nil
}

func (c *certificates) makeLeaf(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "sallyport-server"},
		NotBefore: now.Add(-clockSlack), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range c.names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.ca.Leaf, key.Public(), c.ca.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, c.ca.Certificate[0]}, PrivateKey: key, Leaf: leaf}, nil
}

// trust is what machines know the server by.
func (c *certificates) trust() identity.TLSTrust {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ca != nil {
		return identity.TrustAuthority(c.ca.Leaf)
	}
	return identity.TrustServer(c.current.Leaf)
}

// authority is the certificate of the one that signs them; nil where they come from files.
func (c *certificates) authority() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ca == nil {
		return nil
	}
	return c.ca.Leaf.Raw
}

// replace serves certificates of another authority from now on.
func (c *certificates) replace(ca *tls.Certificate) error {
	c.mu.Lock()
	c.ca, c.current = ca, nil
	c.mu.Unlock()
	_, err := c.get(nil)
	return err
}

// showAuthority writes the authority's certificate, which is no secret, for people and
// programs that want it.
func (d Dir) showAuthority(ca *tls.Certificate) error {
	return replace(d.caCert(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Leaf.Raw}))
}

// GetCertificate is for tls.Config.GetCertificate.
func (r *Realm) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.certs.get(hello)
}
