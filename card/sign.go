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
		return withCard(s, j, card, pin, nil, func(h *held, k key) (identity.CardProof, error) { return h.prove(j, k, pin, c) })
	})
}

// withCard looks for a card where it was found, and then in the other readers. It tells it the
// PIN once all is well without, and uses it.
func withCard[T any](s *Service, j *job, card identity.CardSeen, pin pin, well func(*held) error, use func(*held, key) (T, error)) (T, error) {
	var none T
	p, err := connect()
	if err != nil {
		return none, err
	}
	defer p.close()
	readers, err := p.readers()
	if err != nil {
		return none, err
	}
	var worst worst
	worst.add(faulty(identity.CardRemoved, nil)) // an empty reader says no more
	for _, r := range first(readers, card.Reader) {
		if !r.card {
			continue
		}
		v, err := useIn(s, j, p, r, card, pin, well, use)
		if err == nil || !errors.Is(err, errNotTheOne) {
			return v, err
		}
		worst = *worst.over(err)
	}
	return none, worst.error()
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

func useIn[T any](s *Service, j *job, p *pcsc, r reader, card identity.CardSeen, pin pin, well func(*held) error, use func(*held, key) (T, error)) (T, error) {
	var none T
	h, err := s.open(j, p, r.name)
	if err != nil {
		if f := fault(err).Fault; r.name != card.Reader && f != identity.CardBusy {
			return none, notTheOne(err) // a stranger's card next to ours
		}
		return none, err
	}
	told := true
	v, err := guarded(func() (v T, err error) {
		k, err := s.unlock(h, card, pin, well)
		if told = err == nil; !told {
			return none, err
		}
		return use(h, k)
	})
	s.giveBack(p, h, told, err)
	return v, err
}

// unlock tells the card its PIN, if it is the one that was found.
func (s *Service) unlock(h *held, card identity.CardSeen, pin pin, well func(*held) error) (key, error) {
	keys, err := h.keys()
	if err != nil {
		return key{}, notTheOne(err)
	}
	for _, k := range keys {
		if !bytes.Equal(k.fingerprint, card.Fingerprint) {
			continue
		}
		if err := s.dated(k); err != nil {
			return key{}, err
		}
		if well != nil {
			if err := well(h); err != nil {
				return key{}, err
			}
		}
		return k, h.verify(pin)
	}
	return key{}, notTheOne(nil)
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
	return use(g, func(k crypto.Signer) ([]byte, error) { return k.Sign(random, digest, opts) })
}

// use has the key do something, of which K is able.
func use[K any](g *signer, f func(K) ([]byte, error)) ([]byte, error) {
	private, err := g.h.PrivateKey(g.k.slot, g.Public(), piv.KeyAuth{PIN: g.pin.text(), PINPolicy: piv.PINPolicyAlways})
	if err != nil {
		return nil, faulty(identity.CardUnsupported, err)
	}
	able, ok := private.(K)
	if !ok {
		return nil, faulty(identity.CardUnsupported, errGarbage)
	}
	if g.touches {
		g.j.touch()
	}
	out, err := f(able)
	sw, answered := status(err)
	switch {
	case err == nil:
		return out, nil
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
