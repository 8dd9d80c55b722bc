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
)

// How long certificates of the realm's own authority live. A leaf exists in
// memory only and is renewed while serving.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	leafLife   = 90 * 24 * time.Hour
	leafRenew  = 30 * 24 * time.Hour
	clockSlack = time.Hour // machines whose clock is a little behind
)

// makeCA makes the realm's first certificate authority.
func (d Dir) makeCA(realm string, now time.Time) error {
	cert, key, err := newCA(realm, now)
	if err != nil {
		return err
	}
	if err := WriteNew(d.caKey(), key); err != nil {
		return err
	}
	return WriteNew(d.caCert(), cert)
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

func (d Dir) certificates(s Settings, now func() time.Time) (*certificates, error) {
	if s.TLSCert != "" {
		at, err := stampsOf(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, err
		}
		c, err := readCertificate(s.TLSCert, s.TLSKey)
		return &certificates{current: c, read: at}, err
	}
	ca, err := d.readCA()
	if err != nil {
		return nil, err
	}
	c := &certificates{ca: ca, names: append([]string{"localhost", "127.0.0.1", "::1"}, s.Names...), now: now}
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

// replace serves certificates of another authority from now on.
func (c *certificates) replace(ca *tls.Certificate) error {
	c.mu.Lock()
	c.ca, c.current = ca, nil
	c.mu.Unlock()
	_, err := c.get(nil)
	return err
}

// renewCA makes a new authority in place of the old one.
func (d Dir) renewCA(realm string, now time.Time) error {
	cert, key, err := newCA(realm, now)
	if err != nil {
		return err
	}
	if err := replace(d.nextCACert(), cert); err != nil {
		return err
	}
	if err := replace(d.caKey(), key); err != nil {
		return err
	}
	return d.takeNextCA()
}

func (d Dir) nextCACert() string { return d.caCert() + ".next" }

func (d Dir) takeNextCA() error {
	if err := os.Rename(d.nextCACert(), d.caCert()); err != nil {
		return fmt.Errorf("put certificate authority in place: %w", err)
	}
	return nil
}

// readCA reads the realm's own authority. Where its renewal was cut off between the
// key and the certificate, it finishes that.
func (d Dir) readCA() (*tls.Certificate, error) {
	ca, err := readCertificate(d.caCert(), d.caKey())
	if err == nil {
		return ca, nil
	}
	if _, nextErr := readCertificate(d.nextCACert(), d.caKey()); nextErr != nil {
		return nil, err
	}
	if err := d.takeNextCA(); err != nil {
		return nil, err
	}
	return readCertificate(d.caCert(), d.caKey())
}

// GetCertificate is for tls.Config.GetCertificate.
func (r *Realm) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.certs.get(hello)
}
