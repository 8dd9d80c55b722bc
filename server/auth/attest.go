package auth

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Attestation shows that a key was made in a card and cannot have been copied: the
// card signs a certificate of the key with a key of its own (slot F9), which its
// maker certified. The extensions are Yubico's, see
// https://docs.yubico.com/yesdk/users-manual/application-piv/attestation.html.

// errNotAttested says that nothing was shown.
var errNotAttested = errors.New("not attested")

// errNoPIN says that the card would sign for anyone who holds it.
var errNoPIN = errors.New("the key is used without a PIN")

// attest checks the chain from the key's attestation over the card's own
// certificate to an authority that the realm trusts, and returns the card's serial
// number if it is there. Its error is errNotAttested or errNoPIN.
func attest(authorities [][]byte, card *x509.Certificate, chain [][]byte, now time.Time) (serial string, err error) {
	if len(authorities) == 0 || len(chain) != 2 {
		return "", errNotAttested
	}
	key, own, err := parseChain(chain)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNotAttested, err)
	}
	if !bytes.Equal(key.RawSubjectPublicKeyInfo, card.RawSubjectPublicKeyInfo) {
		return "", fmt.Errorf("%w: it is of another key", errNotAttested)
	}
	// By hand: cards' own certificates do not always say that they may sign, which
	// is all that they are for.
	if err := own.CheckSignature(key.SignatureAlgorithm, key.RawTBSCertificate, key.Signature); err != nil {
		return "", fmt.Errorf("%w: %w", errNotAttested, err)
	}
	roots := x509.NewCertPool()
	for _, der := range authorities {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNotAttested, err)
		}
		roots.AddCert(c)
	}
	_, err = own.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNotAttested, err)
	}
	return attestedFacts(key)
}

func parseChain(chain [][]byte) (key, own *x509.Certificate, err error) {
	for _, der := range chain {
		if len(der) > identity.MaxCertificate {
			return nil, nil, fmt.Errorf("a certificate of %d bytes", len(der))
		}
	}
	if key, err = x509.ParseCertificate(chain[0]); err != nil {
		return nil, nil, fmt.Errorf("the key's: %w", err)
	}
	if own, err = x509.ParseCertificate(chain[1]); err != nil {
		return nil, nil, fmt.Errorf("the card's: %w", err)
	}
	// A key of the card signs anything with its PIN, and has a certificate of the same
	// issuer where that is trusted; only the card's own key signs nothing but keys.
	if slices.ContainsFunc(own.Extensions, func(x pkix.Extension) bool { return x.Id.String() == extPolicy }) {
		return nil, nil, errors.New("the card's certificate is that of a key")
	}
	return key, own, nil
}

// Yubico's extensions, below 1.3.6.1.4.1.41482.3.
const (
	extSerial = "1.3.6.1.4.1.41482.3.7" // an INTEGER
	extPolicy = "1.3.6.1.4.1.41482.3.8" // two bytes: PIN policy, touch policy
	pinNever  = 1
)

func attestedFacts(key *x509.Certificate) (serial string, err error) {
	for _, x := range key.Extensions {
		switch x.Id.String() {
		case extSerial:
			n := new(big.Int)
			if rest, err := asn1.Unmarshal(x.Value, &n); err != nil || len(rest) > 0 || n.BitLen() > 64 {
				return "", fmt.Errorf("%w: its serial number is no number", errNotAttested)
			}
			serial = n.String()
		case extPolicy:
			if len(x.Value) == 0 || x.Value[0] == pinNever {
				return "", errNoPIN
			}
		}
	}
	return serial, nil
}
