package sallyport

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// signed is a certificate of key, by whom by says.
func signed(t *testing.T, c, by *x509.Certificate, key, byKey ed25519.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(nil, c, by, key.Public(), byKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Promise server-certificate.
func TestOnlyTheRightServerIsCalledItByAnotherName(t *testing.T) {
	now := time.Now()
	caKey, key := newKey(t), newKey(t)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "realm"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	ca := signed(t, authority, authority, caKey, caKey)
	otherKey := newKey(t)
	other := signed(t, authority, authority, otherKey, otherKey)
	leaf := func(until time.Time, by *x509.Certificate, byKey ed25519.PrivateKey) *x509.Certificate {
		return signed(t, &x509.Certificate{
			SerialNumber: big.NewInt(2), DNSNames: []string{"id.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
			NotBefore: now.Add(-time.Hour), NotAfter: until,
		}, by, key, byKey)
	}
	trust := identity.TrustAuthority(ca)
	for name, c := range map[string]struct {
		leaf     *x509.Certificate
		host     string
		says     []string
		suspects bool
	}{
		"another name":             {leaf(now.Add(time.Hour), ca, caKey), "10.0.0.5", []string{"is the right one", "it is for id.example, 192.0.2.1."}, false},
		"expired":                  {leaf(now.Add(-time.Minute), ca, caKey), "id.example", []string{"is the right one", "clock"}, false},
		"a name, but not signed":   {leaf(now.Add(time.Hour), other, otherKey), "10.0.0.5", nil, true},
		"the name, but not signed": {leaf(now.Add(time.Hour), other, otherKey), "id.example", nil, true},
		"expired, and not signed":  {leaf(now.Add(-time.Minute), other, otherKey), "id.example", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			chain := []*x509.Certificate{c.leaf, ca}
			err := trust.Verify(chain, c.host, now)
			if err == nil {
				t.Fatal("it verifies")
			}
			var doubt *provider.DoubtError
			verify := func(host string, now time.Time) error { return trust.Verify(chain, host, now) }
			if !errors.As(otherTLSKey("https://"+c.host, c.leaf, distrusted(chain, err), verify), &doubt) {
				t.Fatal("it is no doubt")
			}
			if suspects := strings.Contains(doubt.Mend, "in between"); suspects != c.suspects {
				t.Errorf("somebody in between: %v, want %v: %s", suspects, c.suspects, doubt.Mend)
			}
			for _, want := range c.says {
				if !strings.Contains(doubt.What, want) {
					t.Errorf("not %q: %s", want, doubt.What)
				}
			}
		})
	}
}
