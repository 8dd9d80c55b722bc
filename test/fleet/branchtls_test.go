package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
)

// ownCertificate is one of a branch's own, in files.
type ownCertificate struct {
	cert, key string
	serial    int64
}

// issue writes a certificate of that key over the one before, as a renewal does, and returns
// its serial number.
func (o *ownCertificate) issue(t *testing.T, key *ecdsa.PrivateKey) int64 {
	t.Helper()
	o.serial++
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(o.serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{o.cert: {Type: "CERTIFICATE", Bytes: der}, o.key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o.serial
}

// shows is the serial number of the certificate that the branch shows now.
func (b *branch) shows() (serial int64) {
	b.t.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			serial = cs.PeerCertificates[0].SerialNumber.Int64()
			return nil
		},
	}}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.reads.URL, nil)
	b.must(nil, err)
	resp, err := c.Do(req)
	b.must(nil, err)
	b.must(nil, resp.Body.Close())
	return serial
}

// TestABranchShowsACertificateOfItsOwn that the key list names: machines know it by that
// while no full server answers, and by one that is renewed with the same key. One with
// another key it does not show, for machines would take it for somebody else; it says so.
// Promise reading-certificate.
func TestABranchShowsACertificateOfItsOwn(t *testing.T) {
	keys := make([]*ecdsa.PrivateKey, 2)
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	own := &ownCertificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	first := own.issue(t, keys[0])
	b := newBranch(t, false, 0, "--tls-cert", own.cert, "--tls-key", own.key)
	b.person("ada", "")
	m := b.machine("box")
	b.must(m.Fetch(t.Context(), "ada")) // it learns of the branch
	b.caughtUp()
	b.cutOff()
	getsIn := func(when string) {
		t.Helper()
		if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
			t.Errorf("%s: %+v, %v", when, reply, err)
		}
	}
	getsIn("with the certificate of init")
	if is := b.shows(); is != first {
		t.Errorf("it shows certificate %d, want %d", is, first)
	}
	second := own.issue(t, keys[0])
	b.until("the renewed certificate is shown", func() bool { return b.shows() == second })
	getsIn("with a renewed certificate of the same key")
	own.issue(t, keys[1])
	b.until("a certificate with another key is refused", func() bool {
		return strings.Contains(b.reads.Log(), "the certificate has changed and is not served") && strings.Contains(b.reads.Log(), "Keep the certificate's key")
	})
	if is := b.shows(); is != second {
		t.Errorf("with another key in the files it shows certificate %d, want %d", is, second)
	}
	getsIn("with another key in the files")
	b.must(nil, b.reads.Stop())
	if err := b.reads.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "make the server anew") {
		t.Errorf("a start with a certificate that no machine would know: %v", err)
	}
	own.issue(t, keys[0])
	b.must(nil, b.reads.Start(t.Context()))
	getsIn("with the key that the key list names")
}
