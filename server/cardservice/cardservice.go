package cardservice

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/keyfile"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// Options say with what the server proves itself to the card services of
// machines, and knows them. All three files, or none: then it does neither.
type Options struct {
	// MiddlewareKeys is a PEM file of the card services' public keys ("PUBLIC KEY"),
	// which are known by their places in it, from 0.
	MiddlewareKeys string
	// ServiceKey is a PEM file ("PRIVATE KEY") that others cannot read.
	ServiceKey string
	// ServiceCertificate is the file that card services are sent as it is. It is read
	// for each request, so that a new one needs no restart.
	ServiceCertificate string
}

func (c Options) set() bool { return c != Options{} }

// maxCardCertificate bounds the opaque certificate, in bytes.
const maxCardCertificate = 32 << 10

// Handler implements CardService; the zero value is one that is not set up.
type Handler struct {
	*realm.Realm
	certificate string // the file
	key         crypto.Signer
	known       []crypto.PublicKey
	given       *challenges
}

// New serves with these files; without any it is a service that is not set up.
func New(r *realm.Realm, c Options) (*Handler, error) {
	s := &Handler{Realm: r}
	if !c.set() {
		return s, nil
	}
	if c.MiddlewareKeys == "" || c.ServiceKey == "" || c.ServiceCertificate == "" {
		return nil, errors.New("the card service needs all three: the middleware's public keys, the service key and its certificate")
	}
	var err error
	if s.known, err = readPublicKeys(c.MiddlewareKeys); err != nil {
		return nil, err
	}
	if s.key, err = readServiceKey(c.ServiceKey); err != nil {
		return nil, err
	}
	s.certificate, s.given = c.ServiceCertificate, newChallenges(r.Now)
	_, err = s.readCertificate()
	return s, err
}

func (s *Handler) readCertificate() ([]byte, error) {
	b, err := os.ReadFile(s.certificate)
	if err == nil && (len(b) == 0 || len(b) > maxCardCertificate) {
		err = fmt.Errorf("%d bytes, where 1 to %d are expected", len(b), maxCardCertificate)
	}
	if err != nil {
		return nil, fmt.Errorf("card service certificate %s: %w", s.certificate, err)
	}
	return b, nil
}

// readPublicKeys reads every key of the file, in its order. One that cannot be used
// is an error: leaving it out would move the others to another index.
func readPublicKeys(path string) ([]crypto.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("middleware keys: %w", err)
	}
	var keys []crypto.PublicKey
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("middleware keys %s: key %d is a %q, not a PUBLIC KEY", path, len(keys), block.Type)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err == nil {
			err = checkProofKey(key)
		}
		if err != nil {
			return nil, fmt.Errorf("middleware keys %s: key %d: %w", path, len(keys), err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("middleware keys %s: no PUBLIC KEY in it", path)
	}
	return keys, nil
}

const leastRSA = 2048 // bits

func checkProofKey(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= leastRSA {
			return nil
		}
		return fmt.Errorf("RSA with %d bits is too weak", k.N.BitLen())
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	default:
		return fmt.Errorf("a %T cannot be used", public)
	}
}

func readServiceKey(path string) (crypto.Signer, error) {
	signer, err := keyfile.Read(path)
	if err == nil {
		err = checkProofKey(signer.Public())
	}
	if err != nil {
		return nil, fmt.Errorf("service key: %w", err)
	}
	return signer, nil
}

// GetCertificate implements CardService.
func (s *Handler) GetCertificate(ctx context.Context, _ *v1.GetCertificateRequest) (*v1.GetCertificateResponse, error) {
	if s.key == nil {
		return &v1.GetCertificateResponse{Status: v1.GetCertificateResponse_STATUS_NOT_AVAILABLE}, nil
	}
	cert, err := s.readCertificate()
	if err != nil {
		return nil, s.Fault(ctx, "read the card service certificate", err)
	}
	return &v1.GetCertificateResponse{Status: v1.GetCertificateResponse_STATUS_OK, Certificate: cert, Challenge: s.given.give()}, nil
}

// AnswerChallenge implements CardService. It signs only for a card service that it
// knows, and that has signed a challenge of its own, for the first time: so nobody
// can have a challenge signed who is none, nor play again what one has said.
func (s *Handler) AnswerChallenge(ctx context.Context, req *v1.AnswerChallengeRequest) (*v1.AnswerChallengeResponse, error) {
	status := func(v v1.AnswerChallengeResponse_Status) (*v1.AnswerChallengeResponse, error) {
		return &v1.AnswerChallengeResponse{Status: v}, nil
	}
	if s.key == nil {
		return status(v1.AnswerChallengeResponse_STATUS_NOT_AVAILABLE)
	}
	if uint64(req.GetPubkeyId()) >= uint64(len(s.known)) {
		return status(v1.AnswerChallengeResponse_STATUS_UNKNOWN_MIDDLEWARE_PUBLIC_KEY)
	}
	x := identity.CardServiceExchange{Challenge: req.GetMiddlewareChallenge(), ServerChallenge: req.GetServerChallenge()}
	err := x.Verify(identity.MiddlewareSide, s.known[req.GetPubkeyId()], req.GetMiddlewareSignature())
	if err != nil || !s.given.use(x.Challenge) {
		return status(v1.AnswerChallengeResponse_STATUS_INVALID_MIDDLEWARE_SIGNATURE)
	}
	sig, err := x.Sign(identity.ServerSide, s.key)
	if err != nil {
		return nil, s.Fault(ctx, "answer the card service", err)
	}
	return &v1.AnswerChallengeResponse{Status: v1.AnswerChallengeResponse_STATUS_OK, ServerSignature: sig}, nil
}

// randomBytes never fails, see crypto/rand.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
