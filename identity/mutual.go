package identity

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
)

// Before a PIN is typed, the realm's server and the card service of a machine can
// prove themselves to each other, through whoever wants to use the card:
//
//	client -> card service   the server's certificate, Challenge
//	card service -> client   its signature, ServerChallenge, the index of its key
//	client -> server         Challenge, that signature, ServerChallenge, the index
//	server -> client         its signature
//	client -> card service   that signature
//
// Each signs both challenges and on which side it stands, so that no signature can
// be taken for another's, or for another exchange's.

// What can become of it.
var (
	// ErrCardServiceOff: the server has no such thing set up.
	ErrCardServiceOff = errors.New("the server does not prove itself to card services")
	// ErrCardServiceKey: the server knows no key with that index.
	ErrCardServiceKey = errors.New("the server does not know this machine's card service")
	// ErrCardServiceProof: a challenge or a signature is not accepted.
	ErrCardServiceProof = errors.New("the proof between card service and server is refused")
)

// CardServiceSide is who signs.
type CardServiceSide string

// The sides. Middleware is the card service.
const (
	MiddlewareSide CardServiceSide = "middleware"
	ServerSide     CardServiceSide = "server"
)

// Limits of a challenge, in bytes.
const (
	MinChallenge = 16
	MaxChallenge = 256
)

// CardServiceExchange is one mutual authentication. The zero value proves nothing.
type CardServiceExchange struct {
	Challenge       []byte // for the card service, from the server
	ServerChallenge []byte // for the server, from the card service
}

func (x CardServiceExchange) message(side CardServiceSide) ([]byte, error) {
	for _, c := range [][]byte{x.Challenge, x.ServerChallenge} {
		if len(c) < MinChallenge || len(c) > MaxChallenge {
			return nil, fmt.Errorf("%w: a challenge of %d bytes", ErrCardServiceProof, len(c))
		}
	}
	return encode([]any{"sallyport card service 1", string(side), x.Challenge, x.ServerChallenge})
}

// Sign is one side's half of the proof: RSASSA-PKCS1-v1_5 or ECDSA with SHA-256,
// SHA-384 for P-384, or Ed25519.
func (x CardServiceExchange) Sign(side CardServiceSide, key crypto.Signer) ([]byte, error) {
	m, err := x.message(side)
	if err != nil {
		return nil, err
	}
	digest, opts := CardDigest(key.Public(), m)
	sig, err := key.Sign(rand.Reader, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("sign the challenge: %w", err)
	}
	return sig, nil
}

// Verify accepts the half of that side, signed by that key, for exactly this
// exchange. Its error is ErrCardServiceProof.
func (x CardServiceExchange) Verify(side CardServiceSide, public crypto.PublicKey, signature []byte) error {
	m, err := x.message(side)
	if err != nil {
		return err
	}
	if !signedBy(public, m, signature) {
		return fmt.Errorf("%w: the signature is not of the %s and this exchange", ErrCardServiceProof, side)
	}
	return nil
}

// CardServiceOffer is what the server gives to begin with.
type CardServiceOffer struct {
	// Certificate is for the card service alone to read: nobody between looks into it.
	Certificate []byte
	Challenge   []byte
}

// CardServiceClaim is what the card service says of itself, on its way to the server.
type CardServiceClaim struct {
	CardServiceExchange
	Signature []byte
	KeyIndex  uint32 // in the server's list of public keys
}
