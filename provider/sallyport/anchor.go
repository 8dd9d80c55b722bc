package sallyport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The blocks of the file that joining writes and Options.RootPEM holds. The realm
// key is a SubjectPublicKeyInfo, so "openssl pkey -pubin" shows it.
const (
	blockRealmKey    = "PUBLIC KEY"
	blockKeyList     = "SALLYPORT KEY LIST"
	blockCertificate = "CERTIFICATE"
)

// anchor is what a machine was told to trust when it joined: the realm key, and the
// key list as it was then. A machine that joined before there were realm keys has
// certificates alone.
type anchor struct {
	realmKey ed25519.PublicKey // nil: none
	bundle   []byte
	roots    *x509.CertPool
}

func readAnchor(text []byte) (anchor, error) {
	a := anchor{roots: x509.NewCertPool()}
	found := false
	for rest := bytes.TrimSpace(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break // text behind the last block, as openssl writes it
		}
		switch block.Type {
		case blockRealmKey:
			parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
			key, ok := parsed.(ed25519.PublicKey)
			if err != nil || !ok || a.realmKey != nil {
				return anchor{}, errors.Join(errors.New("sallyport provider: the realm key is not one Ed25519 public key"), err)
			}
			a.realmKey, found = key, true
		case blockKeyList:
			a.bundle = block.Bytes
		case blockCertificate:
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return anchor{}, fmt.Errorf("sallyport provider: root certificate: %w", err)
			}
			a.roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return anchor{}, errors.New("sallyport provider: neither a realm key nor a root certificate in PEM")
	}
	return a, nil
}

// anchorPEM writes what readAnchor reads. The certificate is for programs that were
// made before there were realm keys; nothing here trusts it.
func anchorPEM(realmKey ed25519.PublicKey, bundle, certificate []byte) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(realmKey)
	if err != nil {
		return nil, fmt.Errorf("write realm key: %w", err)
	}
	var out bytes.Buffer
	for _, b := range []*pem.Block{
		{Type: blockRealmKey, Bytes: der}, {Type: blockKeyList, Bytes: bundle}, {Type: blockCertificate, Bytes: certificate},
	} {
		if err := pem.Encode(&out, b); err != nil {
			return nil, fmt.Errorf("write realm key: %w", err)
		}
	}
	return out.Bytes(), nil
}
