package sallyport

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Judge reads the file that joining wrote, and returns what tells whether a chain of
// certificates would be the server's at a time: by the key list of the day of joining,
// or by the certificates of a machine from before there were realm keys. A machine may
// have learnt of a newer list since, which only its daemon knows. It is for explaining.
func Judge(rootPEM []byte, host string) (func(chain []*x509.Certificate, at time.Time) error, error) {
	a, err := readAnchor(rootPEM)
	if err != nil {
		return nil, err
	}
	if a.realmKey == nil || a.bundle == nil {
		return func(chain []*x509.Certificate, at time.Time) error { return verifyRoots(a.roots, chain, host, at) }, nil
	}
	b, err := identity.DecodeKeyBundle(a.bundle)
	if err != nil {
		return nil, fmt.Errorf("the file of the realm's key: %w", err)
	}
	_, list, err := b.Follow(a.realmKey)
	if err != nil {
		return nil, fmt.Errorf("the file of the realm's key: %w", err)
	}
	return func(chain []*x509.Certificate, at time.Time) error { return list.VerifyTLS(chain, host, at) }, nil
}

func verifyRoots(roots *x509.CertPool, chain []*x509.Certificate, host string, at time.Time) error {
	if len(chain) == 0 {
		return errors.New("no certificate was presented")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: at})
	return err //nolint:wrapcheck // callers ask what kind it is
}
