package cardservice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// serviceLife is how long the server's certificate for card services lives.
const serviceLife = 5 * 365 * 24 * time.Hour

// clockBehind is by how much a clock may be behind ours.
const clockBehind = time.Hour

// MadeFile is a file that was made, and what it is for.
type MadeFile struct{ Path, For string }

// MakeKeys makes all that the mutual authentication with card services needs,
// in a new folder: an authority whose key it throws away, the server's key with a
// certificate of that authority, and a key for the card services.
func MakeKeys(folder, name string) ([]MadeFile, error) {
	if err := identity.CheckText(name, 64); err != nil || name == "" { // 64: X.520's bound on a common name
		return nil, fmt.Errorf("realm name %q: it must be 1 to 64 characters of text", name)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	var keys [3]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
	}
	authority, service, middleware := keys[0], keys[1], keys[2]
	root, cert, err := serviceCertificate(name, authority, service)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(middleware.Public())
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	blob := base64.StdEncoding.EncodeToString(cert)
	w := &writer{folder: folder}
	w.put("service.key", "server: --card-service-key", w.private(service))
	w.put("service.cert", "server: --card-service-cert", []byte(blob+"\n"))
	w.put("middleware-keys.pem", "server: --card-middleware-keys", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	w.put("card-service.key", "machines: [cards] mutual_key", w.private(middleware))
	w.put("card-service-roots.pem", "machines: [cards] mutual_roots", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}))
	return w.made, w.err
}

func serviceCertificate(name string, authority, service *ecdsa.PrivateKey) (root, cert []byte, err error) {
	now := time.Now()
	ca := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Card services of " + name},
		NotBefore: now.Add(-clockBehind), NotAfter: now.Add(serviceLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if root, err = x509.CreateCertificate(rand.Reader, ca, ca, authority.Public(), authority); err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	leaf := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if cert, err = x509.CreateCertificate(rand.Reader, leaf, ca, service.Public(), authority); err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	return root, cert, nil
}

// writer writes files until one fails.
type writer struct {
	folder string
	made   []MadeFile
	err    error
}

func (w *writer) private(key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (w *writer) put(name, purpose string, content []byte) {
	path := filepath.Join(w.folder, name)
	if w.err == nil {
		w.err = realm.WriteNew(path, content)
	}
	if w.err == nil {
		w.made = append(w.made, MadeFile{path, purpose})
	}
}
