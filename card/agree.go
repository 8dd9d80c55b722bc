package card

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/identity"
)

// The key for key management, in slot 9D, agrees on secrets (ECDH on P-256, SP 800-73-4 part 2,
// A.5.3). No key that is there is replaced.
//
//	the card on its slot 9D                      a key is asked for       one is to be made
//	a key of P-256                               if it is the one         it is taken
//	another kind of key                          ErrAgreementKind         ErrAgreementKind
//	no key, by its metadata                      ErrNoAgreementKey        it is made
//	no key, and a certificate                    ErrNoAgreementKey        ErrAgreementTaken
//	no metadata, a certificate                   as its key is            as its key is
//	neither                                      ErrAgreementUnknown      ErrAgreementUnknown

const (
	swNoReference = 0x6a88
	swNotFound    = 0x6a82
)

// agreementKey is the public half in slot 9D.
func (h *held) agreementKey() (*ecdsa.PublicKey, error) {
	var public any
	info, err := h.KeyInfo(piv.SlotKeyManagement)
	sw, answered := status(err)
	_, gone := codeIn(err)
	switch {
	case err == nil:
		public = info.PublicKey
	case gone:
		return nil, err
	case answered && (sw == swNoReference || sw == swNotFound):
		return nil, faulty(identity.CardUnsupported, identity.ErrNoAgreementKey)
	default:
		c, err := h.Certificate(piv.SlotKeyManagement)
		if _, gone := codeIn(err); gone {
			return nil, err
		}
		if err != nil {
			return nil, faulty(identity.CardUnsupported, fmt.Errorf("%w: %w", identity.ErrAgreementUnknown, err))
		}
		public = c.PublicKey
	}
	if k, ok := public.(*ecdsa.PublicKey); ok {
		if e, err := k.ECDH(); err == nil && e.Curve() == ecdh.P256() {
			return k, nil
		}
	}
	return nil, faulty(identity.CardUnsupported, identity.ErrAgreementKind)
}

// agreesBy tells whether the key in slot 9D is that one. nil asks for none.
func (h *held) agreesBy(public []byte) error {
	if public == nil {
		return nil
	}
	k, err := h.agreementKey()
	if err != nil {
		return err
	}
	if own, err := k.Bytes(); err != nil || !bytes.Equal(own, public) {
		return faulty(identity.CardUnsupported, identity.ErrAgreementOther)
	}
	return nil
}

// Agree has the key in slot 9D, whose public half is own, agree with the public half of another:
// the shared x coordinate. The card is the one that was found, as for [Service.Sign].
func (s *Service) Agree(ctx context.Context, card identity.CardSeen, secret identity.Secret, own, theirs []byte, touch func()) (identity.Secret, error) {
	other, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return identity.Secret{}, faulty(identity.CardUnsupported, err)
	}
	pin, err := newPIN(secret, card.Retries)
	if err != nil {
		return identity.Secret{}, err
	}
	own = bytes.Clone(own)
	if own == nil {
		own = []byte{} // nobody's: nil would be anybody's
	}
	return work(ctx, s, s.o.Timeout, touch, func(j *job) (identity.Secret, error) {
		defer clear(pin)
		return withCard(s, j, card, pin, func(h *held) error { return h.agreesBy(own) }, func(h *held, _ key) (identity.Secret, error) {
			k, err := h.agreementKey()
			if err != nil {
				return identity.Secret{}, err
			}
			return h.agree(j, k, pin, other)
		})
	})
}

// agree is one agreement. The PIN was verified before.
func (h *held) agree(j *job, own *ecdsa.PublicKey, pin pin, other *ecdh.PublicKey) (identity.Secret, error) {
	k := key{slot: piv.SlotKeyManagement, certificate: &x509.Certificate{PublicKey: own}}
	shared, err := use(h.signer(j, k, pin), func(k *piv.ECDSAPrivateKey) ([]byte, error) { return k.ECDH(other) })
	if err != nil {
		return identity.Secret{}, fmt.Errorf("agree: %w", err)
	}
	return identity.NewSecret(shared), nil
}

// PrepareAgreement finds the key in slot 9D of a card that was found, or makes one where there is
// none, as ordered (its subject, how long its certificate is valid, and the management key). The
// card shows that it has the private half.
func (s *Service) PrepareAgreement(ctx context.Context, card identity.CardSeen, o identity.CardOrder, secret identity.Secret, touch func()) (identity.CardAgreement, error) {
	pin, err := newPIN(secret, card.Retries)
	if err != nil {
		return identity.CardAgreement{}, err
	}
	o.ManagementKey = identity.NewSecret(bytes.Clone(o.ManagementKey.Reveal()))
	return work(ctx, s, max(s.o.Timeout, making), touch, func(j *job) (identity.CardAgreement, error) {
		defer clear(pin)
		defer o.ManagementKey.Wipe()
		return withCard(s, j, card, pin, (*held).mayAgree, func(h *held, _ key) (identity.CardAgreement, error) { return s.readyToAgree(j, h, o, pin) })
	})
}

// mayAgree tells whether the card has such a key, or one may be made.
func (h *held) mayAgree() error {
	if _, err := h.agreementKey(); !errors.Is(err, identity.ErrNoAgreementKey) {
		return err
	}
	_, err := h.Certificate(piv.SlotKeyManagement)
	switch _, gone := codeIn(err); {
	case errors.Is(err, piv.ErrNotFound):
		return nil
	case gone:
		return err
	default:
		return faulty(identity.CardUnknown, identity.ErrAgreementTaken)
	}
}

func (s *Service) readyToAgree(j *job, h *held, o identity.CardOrder, pin pin) (made identity.CardAgreement, err error) {
	k, err := h.agreementKey()
	if errors.Is(err, identity.ErrNoAgreementKey) {
		made.Made = true
		var c *x509.Certificate
		c, made.FactoryKey, err = s.makeKey(j, h, o, piv.SlotKeyManagement, piv.Key{Algorithm: piv.AlgorithmEC256, PINPolicy: piv.PINPolicyOnce, TouchPolicy: piv.TouchPolicyNever}, pin)
		if err == nil {
			k, err = h.agreementKey()
		}
		if err == nil && !k.Equal(c.PublicKey) {
			err = faulty(identity.CardUnsupported, identity.ErrAgreementOther)
		}
	}
	if err != nil {
		return identity.CardAgreement{}, err
	}
	if err := h.showAgreement(j, k, pin); err != nil {
		return identity.CardAgreement{}, err
	}
	made.Public, err = k.Bytes()
	return made, err
}

// showAgreement has the card agree with a key of ours: both ends know the secret, if the private
// half is there.
func (h *held) showAgreement(j *job, k *ecdsa.PublicKey, pin pin) error {
	public, err := k.ECDH()
	if err != nil {
		return faulty(identity.CardUnsupported, err)
	}
	ours, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	want, err := ours.ECDH(public)
	if err != nil {
		return faulty(identity.CardUnsupported, err)
	}
	got, err := h.agree(j, k, pin, ours.PublicKey())
	if err != nil {
		return err
	}
	defer got.Wipe()
	if subtle.ConstantTimeCompare(want, got.Reveal()) != 1 {
		return faulty(identity.CardUnsupported, identity.ErrAgreementOther)
	}
	return nil
}
