package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// TLSKind says whose key a server is known by.
type TLSKind string

// The kinds. Any other is one that this program does not know, and trusts nobody.
const (
	// TLSAuthority is the realm's own certificate authority: whatever certificate it
	// signs for the server's name will do.
	TLSAuthority TLSKind = "ca"
	// TLSServer is the server's own key, whoever signed its certificate. An
	// intermediate of a public authority is never trusted: it signs for everybody.
	TLSServer TLSKind = "server"
)

// TLSTrust is one way by which a server of the realm is known in TLS.
type TLSTrust struct {
	Kind TLSKind `cbor:"1,keyasint"`
	// Key is the SHA-256 of a SubjectPublicKeyInfo (RFC 5280, section 4.1).
	Key []byte `cbor:"2,keyasint"`
	// Names are, for a server's own key, the names and addresses that it serves.
	Names []string `cbor:"3,keyasint,omitempty"`
}

// TrustAuthority trusts an authority's key.
func TrustAuthority(ca *x509.Certificate) TLSTrust {
	sum := sha256.Sum256(ca.RawSubjectPublicKeyInfo)
	return TLSTrust{Kind: TLSAuthority, Key: sum[:]}
}

// TrustServer trusts a server's own key for the names in its certificate.
func TrustServer(leaf *x509.Certificate) TLSTrust {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return TLSTrust{Kind: TLSServer, Key: sum[:], Names: slices.Compact(names)}
}

// Equal tells whether both trust the same.
func (t TLSTrust) Equal(o TLSTrust) bool {
	return t.Kind == o.Kind && bytes.Equal(t.Key, o.Key) && slices.Equal(t.Names, o.Names)
}

func (t TLSTrust) validate() error {
	if len(t.Key) != sha256.Size || len(t.Names) > maxListNames {
		return fmt.Errorf("%w: TLS trust with a hash of %d bytes and %d names", ErrToken, len(t.Key), len(t.Names))
	}
	for _, n := range t.Names {
		if n == "" || len(n) > 253 || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("%w: TLS trust: name %q", ErrToken, n)
		}
	}
	return nil
}

// Verify tells whether a chain that was presented in a handshake, the server's own
// certificate first, is that of the realm's server at host.
func (t TLSTrust) Verify(chain []*x509.Certificate, host string, now time.Time) error {
	if len(chain) == 0 {
		return errors.New("no certificate was presented")
	}
	roots := x509.NewCertPool()
	switch t.Kind {
	case TLSAuthority:
		at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return c.IsCA && t.is(c) })
		if at < 1 {
			return x509.UnknownAuthorityError{Cert: chain[0]}
		}
		roots.AddCert(chain[at])
	case TLSServer:
		if !t.is(chain[0]) {
			return x509.UnknownAuthorityError{Cert: chain[0]}
		}
		named := &x509.Certificate{Raw: chain[0].Raw}
		for _, n := range t.Names {
			if ip := net.ParseIP(n); ip != nil {
				named.IPAddresses = append(named.IPAddresses, ip)
			} else {
				named.DNSNames = append(named.DNSNames, n)
			}
		}
		if err := named.VerifyHostname(host); err != nil {
			return fmt.Errorf("the key list: %w", err)
		}
		roots.AddCert(chain[0])
	default:
		return fmt.Errorf("the key list names a TLS key of kind %q, which this program does not know", t.Kind)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: now})
	return err //nolint:wrapcheck // the caller asks what kind it is
}

func (t TLSTrust) is(c *x509.Certificate) bool {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return bytes.Equal(sum[:], t.Key)
}

// VerifyTLS tells whether a chain is that of a server that the list names.
func (l *KeyList) VerifyTLS(chain []*x509.Certificate, host string, now time.Time) error {
	var first error
	for _, t := range l.TLS {
		err := t.Verify(chain, host, now)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = errors.New("the key list names no TLS key")
	}
	return first
}

// RealmFingerprint is what people compare when a machine joins: the SHA-256 of a text
// that names the realm key and the TLS key. docs/keys.md shows how to make it by hand.
func RealmFingerprint(realmKey ed25519.PublicKey, t TLSTrust) [sha256.Size]byte {
	text := fmt.Sprintf("sallyport-realm-1\nrealm-key %x\ntls %s %x\n", []byte(realmKey), t.Kind, t.Key)
	for _, n := range t.Names {
		text += "name " + n + "\n"
	}
	return sha256.Sum256([]byte(text))
}

// ParseFingerprint reads one as people type it: in hex, whatever its case, with colons or without.
func ParseFingerprint(typed string) (fingerprint []byte, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(typed), ":", ""))
	return b, err == nil && len(b) == sha256.Size
}

// Pinned is the TLS key of the list that, with the realm key, gives the fingerprint.
func (l *KeyList) Pinned(realmKey ed25519.PublicKey, fingerprint []byte) (t TLSTrust, ok bool) {
	for _, t := range l.TLS {
		if sum := RealmFingerprint(realmKey, t); subtle.ConstantTimeCompare(sum[:], fingerprint) == 1 {
			return t, true
		}
	}
	return TLSTrust{}, false
}
