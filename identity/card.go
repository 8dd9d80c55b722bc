package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// ErrCard says that a card's certificate or its signature is not accepted.
var ErrCard = errors.New("card refused")

// NonceLen is the length of a challenge's nonce, in bytes.
const NonceLen = 32

// Nonce is made for one challenge, by whoever will check the answer, with when it
// was made in Unix seconds.
type Nonce struct {
	Value [NonceLen]byte
	Time  int64
}

// CardChallenge is what a card signs: one authentication, of one account, on one
// machine, for one service, now.
type CardChallenge struct {
	Realm            string
	Machine, Account uuid.UUID
	Service          string
	Nonce            Nonce
}

// Message is what is signed: CBOR, core deterministic encoding, of an array that
// begins with a word of its own, so that no other signature can be taken for it.
func (c CardChallenge) Message() ([]byte, error) {
	b, err := encode([]any{"sallyport card 1", c.Realm, c.Machine[:], c.Account[:], c.Service, c.Nonce.Time, c.Nonce.Value[:]})
	if err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	return b, nil
}

// CardProof is a card's answer. With NewPIV it carries the certificate itself.
type CardProof struct {
	// Fingerprint is the SHA-256 of the certificate (DER).
	Fingerprint []byte `cbor:"1,keyasint"`
	Signature   []byte `cbor:"2,keyasint"`
	// Certificate and Attestation are set only to enrol: the card's certificate, and
	// where the card can, the chain that says that the key was made in it (the key's
	// attestation first, then the card's own), DER.
	Certificate []byte   `cbor:"3,keyasint,omitempty"`
	Attestation [][]byte `cbor:"4,keyasint,omitempty"`
}

// Encode is the credential that travels.
func (p CardProof) Encode() (Secret, error) {
	b, err := encode(p)
	if err != nil {
		return Secret{}, fmt.Errorf("card proof: %w", err)
	}
	return NewSecret(b), nil
}

// ParseCardProof reads one. Its error is ErrCard.
func ParseCardProof(b []byte) (CardProof, error) {
	var p CardProof
	if err := decode(b, &p); err != nil {
		return CardProof{}, fmt.Errorf("%w: %w", ErrCard, err)
	}
	if len(p.Fingerprint) != sha256.Size || len(p.Signature) == 0 || len(p.Certificate) > MaxCertificate || len(p.Attestation) > 2 {
		return CardProof{}, fmt.Errorf("%w: its answer is not well formed", ErrCard)
	}
	return p, nil
}

// CardFingerprint names a card's certificate.
func CardFingerprint(der []byte) []byte {
	sum := sha256.Sum256(der)
	return sum[:]
}

// ParseCard reads a card's certificate and refuses a key of a kind that is not
// supported: RSA 2048, P-256, P-384 and Ed25519 are. Its error is ErrCard.
func ParseCard(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCard, err)
	}
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() == 2048 {
			return c, nil
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return c, nil
		}
	case ed25519.PublicKey:
		return c, nil
	}
	return nil, fmt.Errorf("%w: its key is none of RSA 2048, P-256, P-384 and Ed25519", ErrCard)
}

// CardDigest is what a card with that key is given to sign, and the options for
// crypto.Signer: SHA-256 with RSASSA-PKCS1-v1_5 or P-256, SHA-384 with P-384, the
// message itself with Ed25519.
func CardDigest(public crypto.PublicKey, message []byte) ([]byte, crypto.SignerOpts) {
	if _, ok := public.(ed25519.PublicKey); ok {
		return message, crypto.Hash(0)
	}
	h := crypto.SHA256
	if k, ok := public.(*ecdsa.PublicKey); ok && k.Curve == elliptic.P384() {
		h = crypto.SHA384
	}
	w := h.New()
	_, _ = w.Write(message) // never fails, see hash.Hash
	return w.Sum(nil), h
}

// Verify checks that the card of that certificate answered exactly this challenge.
// It does not judge the certificate's dates. Its error is ErrCard.
func (p CardProof) Verify(der []byte, c CardChallenge) error {
	cert, err := ParseCard(der)
	if err != nil {
		return err
	}
	if !bytes.Equal(p.Fingerprint, CardFingerprint(der)) {
		return fmt.Errorf("%w: the answer is another card's", ErrCard)
	}
	message, err := c.Message()
	if err != nil {
		return err
	}
	if !signedBy(cert.PublicKey, message, p.Signature) {
		return fmt.Errorf("%w: the signature is not of this card and this challenge", ErrCard)
	}
	return nil
}

// signedBy verifies what a key of those kinds signed by way of [CardDigest].
func signedBy(public crypto.PublicKey, message, signature []byte) bool {
	digest, opts := CardDigest(public, message)
	switch k := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, opts.HashFunc(), digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, signature)
	}
	return false
}
