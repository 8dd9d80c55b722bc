package card

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/identity"
)

// The length of a PIN (SP 800-73-4 part 2, 2.4.3).
const (
	minPIN = 6
	maxPIN = 8
)

// pin is a PIN on its way to the card. piv-go takes a string, and makes copies of
// its own; ours is wiped.
type pin []byte

func newPIN(s identity.Secret, retries int) (pin, error) {
	if n := s.Len(); n < minPIN || n > maxPIN {
		return nil, &identity.CardError{Fault: identity.CardWrongPIN, Retries: retries, Err: errForm}
	}
	return pin(bytes.Clone(s.Reveal())), nil
}

// text shares the bytes: it is empty of meaning once they are wiped.
func (p pin) text() string { return unsafe.String(&p[0], len(p)) } //nolint:gosec // never empty, see newPIN

// Sign proves that this card is here and its PIN known. It looks in the reader
// where the card was found, and then in the others.
func (s *Service) Sign(ctx context.Context, card identity.CardSeen, secret identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	pin, err := newPIN(secret, card.Retries)
	if err != nil {
		return identity.CardProof{}, err
	}
	return work(ctx, s, s.o.Timeout, touch, func(j *job) (identity.CardProof, error) {
		defer clear(pin)
		return s.signWith(j, card, pin, c)
	})
}

func (s *Service) signWith(j *job, card identity.CardSeen, pin pin, c identity.CardChallenge) (identity.CardProof, error) {
	p, err := connect()
	if err != nil {
		return identity.CardProof{}, err
	}
	defer p.close()
	readers, err := p.readers()
	if err != nil {
		return identity.CardProof{}, err
	}
	var worst worst
	worst.add(faulty(identity.CardRemoved, nil)) // an empty reader says no more
	for _, r := range first(readers, card.Reader) {
		if !r.card {
			continue
		}
		proof, err := s.signIn(j, p, r, card, pin, c)
		if err == nil || !errors.Is(err, errNotTheOne) {
			return proof, err
		}
		worst = *worst.over(err)
	}
	return identity.CardProof{}, worst.error()
}

// over takes the newer error, whatever its rank.
func (w *worst) over(err error) *worst { return &worst{fault(err)} }

// first puts the reader of that name before the others.
func first(readers []reader, name string) []reader {
	var list []reader
	for _, r := range readers {
		if r.name == name {
			list = append([]reader{r}, list...)
		} else {
			list = append(list, r)
		}
	}
	return list
}

func (s *Service) signIn(j *job, p *pcsc, r reader, card identity.CardSeen, pin pin, c identity.CardChallenge) (identity.CardProof, error) {
	h, err := s.open(j, p, r.name)
	if err != nil {
		if f := fault(err).Fault; r.name != card.Reader && f != identity.CardBusy {
			return identity.CardProof{}, notTheOne(err) // a stranger's card next to ours
		}
		return identity.CardProof{}, err
	}
	told := true // where it broke off, nobody knows
	proof, err := guarded(func() (proof identity.CardProof, err error) {
		proof, told, err = s.signOn(j, h, card, pin, c)
		return proof, err
	})
	s.giveBack(p, h, told, err)
	return proof, err
}

// signOn tells too whether the card was told the PIN.
func (s *Service) signOn(j *job, h *held, card identity.CardSeen, pin pin, c identity.CardChallenge) (proof identity.CardProof, told bool, err error) {
	keys, err := h.keys()
	if err != nil {
		return proof, false, notTheOne(err)
	}
	for _, k := range keys {
		if bytes.Equal(k.fingerprint, card.Fingerprint) {
			if err := s.dated(k); err != nil {
				return proof, false, err
			}
			if err := h.VerifyPIN(pin.text()); err != nil {
				return proof, false, fmt.Errorf("verify the PIN: %w", err)
			}
			proof, err = h.prove(j, k, pin, c)
			return proof, true, err
		}
	}
	return proof, false, notTheOne(nil)
}

// notTheOne keeps a card that went away apart from one that is another.
func notTheOne(err error) error {
	if err != nil {
		if f := fault(err).Fault; f == identity.CardRemoved {
			return err
		}
	}
	return faulty(identity.CardWrong, errors.Join(errNotTheOne, err))
}

// prove signs the challenge. The PIN was verified before.
func (h *held) prove(j *job, k key, pin pin, c identity.CardChallenge) (identity.CardProof, error) {
	if _, err := identity.ParseCard(k.certificate.Raw); err != nil {
		return identity.CardProof{}, faulty(identity.CardUnsupported, err)
	}
	message, err := c.Message()
	if err != nil {
		return identity.CardProof{}, err
	}
	digest, opts := identity.CardDigest(k.certificate.PublicKey, message)
	signature, err := h.signer(j, k, pin).Sign(rand.Reader, digest, opts)
	if err != nil {
		return identity.CardProof{}, fmt.Errorf("sign: %w", err)
	}
	proof := identity.CardProof{Fingerprint: k.fingerprint, Signature: signature}
	if err := proof.Verify(k.certificate.Raw, c); err != nil {
		// The key in the slot is not the one of the certificate, or the card is broken.
		return identity.CardProof{}, faulty(identity.CardUnsupported, err)
	}
	return proof, nil
}

// signer is a key of the card as crypto.Signer, which says when a touch is due.
type signer struct {
	h       *held
	j       *job
	k       key
	pin     pin
	touches bool
}

func (h *held) signer(j *job, k key, pin pin) *signer {
	info, err := h.KeyInfo(k.slot)
	touches := err == nil && (info.TouchPolicy == piv.TouchPolicyAlways || info.TouchPolicy == piv.TouchPolicyCached)
	return &signer{h, j, k, pin, touches}
}

func (g *signer) Public() crypto.PublicKey { return g.k.certificate.PublicKey }

// Sign verifies the PIN right before it signs, as a key of policy "always" wants;
// it has been right before, so this costs no try.
func (g *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	private, err := g.h.PrivateKey(g.k.slot, g.Public(), piv.KeyAuth{PIN: g.pin.text(), PINPolicy: piv.PINPolicyAlways})
	if err != nil {
		return nil, faulty(identity.CardUnsupported, err)
	}
	signs, ok := private.(crypto.Signer)
	if !ok {
		return nil, faulty(identity.CardUnsupported, errGarbage)
	}
	if g.touches {
		g.j.touch()
	}
	signature, err := signs.Sign(random, digest, opts)
	sw, answered := status(err)
	switch {
	case err == nil:
		return signature, nil
	case answered && sw == swNotSatisfied && g.touches:
		return nil, faulty(identity.CardUntouched, err)
	case answered && sw == swNotSatisfied:
		return nil, faulty(identity.CardUnknown, err)
	case answered && sw>>8 == 0x6a:
		return nil, faulty(identity.CardUnsupported, err)
	default:
		return nil, err
	}
}
