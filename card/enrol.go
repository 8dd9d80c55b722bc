package card

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/identity"
)

// making is how long a card may take to make a key of RSA 2048.
const making = 25 * time.Second

// Prepare makes a card ready to be enrolled, as ordered: the card that is there,
// with the certificate of its slot 9A or with a new key. What it returns goes to
// [Service.Enrol]. The PIN is verified before anything is changed.
func (s *Service) Prepare(ctx context.Context, o identity.CardOrder, secret identity.Secret, touch func()) (identity.CardMade, error) {
	pin, err := newPIN(secret, -1)
	if err != nil {
		return identity.CardMade{}, err
	}
	o.ManagementKey = identity.NewSecret(bytes.Clone(o.ManagementKey.Reveal()))
	return work(ctx, s, max(s.o.Timeout, making), touch, func(j *job) (identity.CardMade, error) {
		defer clear(pin)
		defer o.ManagementKey.Wipe()
		return s.prepare(j, o, pin)
	})
}

// Enrol lets a card that was made ready sign the challenge, and adds to its answer
// what only an enrolment needs.
func (s *Service) Enrol(ctx context.Context, made identity.CardMade, secret identity.Secret, c identity.CardChallenge, touch func()) (identity.CardProof, error) {
	proof, err := s.Sign(ctx, made.Seen, secret, c, touch)
	if err != nil {
		return identity.CardProof{}, err
	}
	proof.Certificate, proof.Attestation = made.Certificate, made.Attestation
	return proof, nil
}

func (s *Service) prepare(j *job, o identity.CardOrder, pin pin) (identity.CardMade, error) {
	p, err := connect()
	if err != nil {
		return identity.CardMade{}, err
	}
	defer p.close()
	name, err := s.only(j, p, o.Reader)
	if err != nil {
		return identity.CardMade{}, err
	}
	h, err := s.open(j, p, name)
	if err != nil {
		return identity.CardMade{}, err
	}
	made, err := guarded(func() (identity.CardMade, error) { return s.ready(j, h, o, pin) })
	s.giveBack(p, h, true, err)
	return made, err
}

// only is the reader that was named, or the one that has a PIV card.
func (s *Service) only(j *job, p *pcsc, wanted string) (string, error) {
	readers, err := p.readers()
	if err != nil {
		return "", err
	}
	var found []string
	var worst worst
	for _, r := range readers {
		if wanted != "" && r.name != wanted {
			continue
		}
		if !r.card {
			worst.add(faulty(identity.CardNone, nil))
			continue
		}
		h, err := s.open(j, p, r.name)
		if err != nil {
			worst.add(err)
			continue
		}
		h.close()
		found = append(found, r.name)
	}
	switch len(found) {
	case 0:
		return "", worst.error()
	case 1:
		return found[0], nil
	default:
		return "", faulty(identity.CardUnknown, identity.ErrManyCards)
	}
}

func (s *Service) ready(j *job, h *held, o identity.CardOrder, pin pin) (identity.CardMade, error) {
	// What needs no PIN is looked at first: a refusal then costs nothing.
	k := key{slot: piv.SlotAuthentication}
	var err error
	k.certificate, err = h.Certificate(k.slot)
	none := errors.Is(err, piv.ErrNotFound)
	switch _, gone := codeIn(err); {
	case gone:
		return identity.CardMade{}, err
	case o.Generate && !none && !o.Force:
		return identity.CardMade{}, faulty(identity.CardUnknown, identity.ErrCardTaken)
	case !o.Generate && none:
		return identity.CardMade{}, errEmpty
	case !o.Generate && err != nil:
		return identity.CardMade{}, faulty(identity.CardUnsupported, err)
	}
	// The card may be somebody else's, left in a reader: its PIN is not to be guessed, nor
	// its key replaced by who knows it.
	if err := h.notOthers(o); err != nil {
		return identity.CardMade{}, err
	}
	if err := h.verify(pin); err != nil {
		return identity.CardMade{}, err
	}
	made := identity.CardMade{}
	if o.Generate {
		if k.certificate, made.FactoryKey, err = s.generate(j, h, o, pin); err != nil {
			return identity.CardMade{}, err
		}
	} else if err := s.dated(key{certificate: k.certificate}); err != nil {
		return identity.CardMade{}, err
	}
	if _, err := identity.ParseCard(k.certificate.Raw); err != nil {
		return identity.CardMade{}, faulty(identity.CardUnsupported, err)
	}
	made.Seen = identity.CardSeen{Fingerprint: identity.CardFingerprint(k.certificate.Raw), Reader: h.reader, Retries: -1, NotAfter: k.certificate.NotAfter}
	made.Certificate, made.Attestation = k.certificate.Raw, h.attested(k.slot)
	return made, nil
}

// notOthers refuses a card that has a certificate of another account in any slot that a
// login may use.
func (h *held) notOthers(o identity.CardOrder) error {
	if o.Others == nil {
		return nil
	}
	keys, err := h.keys()
	if err != nil && !errors.Is(err, errEmpty) {
		return err
	}
	for _, k := range keys {
		if o.Others(k.fingerprint) {
			return faulty(identity.CardWrong, identity.ErrOthersCard)
		}
	}
	return nil
}

// attested is the chain that says that the key was made in the card, nil if the
// card cannot say it.
func (h *held) attested(slot piv.Slot) [][]byte {
	a, err := h.Attest(slot)
	if err != nil {
		return nil
	}
	own, err := h.AttestationCertificate()
	if err != nil {
		return nil
	}
	return [][]byte{a.Raw, own.Raw}
}

func (s *Service) generate(j *job, h *held, o identity.CardOrder, pin pin) (*x509.Certificate, bool, error) {
	algorithm, ok := map[identity.CardKey]piv.Algorithm{
		identity.CardRSA2048: piv.AlgorithmRSA2048, identity.CardP256: piv.AlgorithmEC256,
		identity.CardP384: piv.AlgorithmEC384, identity.CardEd25519: piv.AlgorithmEd25519,
	}[o.Key]
	if !ok {
		return nil, false, faulty(identity.CardUnsupported, fmt.Errorf("%q is no kind of key", o.Key))
	}
	touch := piv.TouchPolicyNever
	if o.Touch {
		touch = piv.TouchPolicyAlways
	}
	return s.makeKey(j, h, o, piv.SlotAuthentication, piv.Key{Algorithm: algorithm, PINPolicy: piv.PINPolicyOnce, TouchPolicy: touch}, pin)
}

// makeKey makes a key in a slot, and a certificate that it signs itself.
func (s *Service) makeKey(j *job, h *held, o identity.CardOrder, slot piv.Slot, kind piv.Key, pin pin) (*x509.Certificate, bool, error) {
	var public crypto.PublicKey
	factory, err := h.managed(o, pin, func(management []byte) (err error) {
		public, err = h.GenerateKey(management, slot, kind)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	c, err := s.selfSigned(j, h, o, key{slot: slot, certificate: &x509.Certificate{PublicKey: public}}, pin)
	if err != nil {
		return nil, false, err
	}
	_, err = h.managed(o, pin, func(management []byte) error { return h.SetCertificate(management, slot, c) })
	return c, factory, err
}

// managed does what needs the management key: the one that was given, or else the
// one of the factory, or else the one that the card keeps behind its PIN.
func (h *held) managed(o identity.CardOrder, pin pin, f func(management []byte) error) (factory bool, err error) {
	if o.ManagementKey.Len() > 0 {
		return false, management(f(o.ManagementKey.Reveal()))
	}
	if err := management(f(piv.DefaultManagementKey)); !errors.Is(err, identity.ErrManagementKey) {
		return true, err
	}
	m, err := h.Metadata(pin.text())
	if err != nil {
		return false, err
	}
	if m.ManagementKey == nil {
		return false, faulty(identity.CardUnknown, identity.ErrManagementKey)
	}
	return false, management(f(*m.ManagementKey))
}

// management tells a management key that was refused from other troubles. piv-go
// has words for that only.
func management(err error) error {
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("authenticating with management key")) {
		return err
	}
	if _, gone := codeOf(err); gone {
		return err
	}
	return faulty(identity.CardUnknown, fmt.Errorf("%w: %w", identity.ErrManagementKey, err))
}

func (s *Service) selfSigned(j *job, h *held, o identity.CardOrder, k key, pin pin) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	now := s.o.Now().UTC().Truncate(time.Second)
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: o.Subject},
		// A little before now: the server's clock may be behind.
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(o.Valid),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if k.slot == piv.SlotKeyManagement {
		t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageKeyAgreement, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, k.certificate.PublicKey, h.signer(j, k, pin))
	if err != nil {
		return nil, fmt.Errorf("certify the new key: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certify the new key: %w", err)
	}
	return c, nil
}
