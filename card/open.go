package card

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/go-piv/piv-go/v2/piv"

	"github.com/sallyport-auth/sallyport/identity"
)

// held is a card in our hands, ours alone until close.
type held struct {
	*piv.YubiKey
	reader string
}

// again is how long to wait before a card that is busy is tried again.
const again = 50 * time.Millisecond

// open takes the card in a reader. Another program's hold on it is waited for.
func (s *Service) open(j *job, p *pcsc, name string) (*held, error) {
	until := time.Now().Add(s.o.Busy)
	for {
		h, err := take(p, name)
		if c, ok := codeIn(err); !ok || c != errSharing && c != errReset {
			return h, err
		}
		if !time.Now().Before(until) || !j.pause(again) {
			return nil, faulty(identity.CardBusy, err)
		}
	}
}

func codeIn(err error) (code, bool) {
	if err == nil {
		return 0, false
	}
	return codeOf(err)
}

func take(p *pcsc, name string) (*held, error) {
	if err := p.probe(name); err != nil {
		return nil, err
	}
	yk, err := piv.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the card: %w", err)
	}
	return &held{yk, name}, nil
}

// verify tells the card a PIN, unless that could use up its last try: whoever types
// must not be able to block a card. A card that does not say how many tries are left is
// told none.
func (h *held) verify(p pin) error {
	n, err := h.Retries()
	switch {
	case err != nil && fault(err).Fault == identity.CardUnknown:
		return faulty(identity.CardUnsupported, fmt.Errorf("ask for the tries that are left: %w", err))
	case err != nil:
		return fmt.Errorf("ask for the tries that are left: %w", err)
	case n == 0:
		return &identity.CardError{Fault: identity.CardBlocked, Retries: n}
	case n == 1:
		return &identity.CardError{Fault: identity.CardLastTry, Retries: n}
	}
	if err := h.VerifyPIN(p.text()); err != nil {
		return fmt.Errorf("verify the PIN: %w", err)
	}
	return nil
}

// close gives the card back. Its error is of no use to anyone.
func (h *held) close() { _ = h.Close() }

// giveBack gives back a card that perhaps was told its PIN: to SELECT another
// application makes it forget that, and so does a reset, when our hold on it has
// ended. A card that is gone is not reset: pcscd takes the attempt for its removal,
// and then may not see the one that comes next.
func (s *Service) giveBack(p *pcsc, h *held, told bool, err error) {
	gone := err != nil && fault(err).Fault == identity.CardRemoved
	if told && !gone {
		_, _ = h.FormFactor() // the only command of piv-go that selects another; most cards lack what it asks for
	}
	h.close()
	if told && !gone {
		if err := p.reset(h.reader); err != nil {
			s.o.Log.Debug("card is not reset", "reader", h.reader, "error", err)
		}
	}
}

// key is a slot with its certificate.
type key struct {
	slot        piv.Slot
	certificate *x509.Certificate
	fingerprint []byte
}

// slots are those that a login may use, in order.
func slots() []piv.Slot { return []piv.Slot{piv.SlotAuthentication, piv.SlotSignature} }

// keys reads the certificates of the slots.
func (h *held) keys() ([]key, error) {
	var list []key
	var bad error
	for _, slot := range slots() {
		c, err := h.Certificate(slot)
		switch {
		case err == nil:
			list = append(list, key{slot, c, identity.CardFingerprint(c.Raw)})
		case errors.Is(err, piv.ErrNotFound):
		default:
			if _, gone := codeOf(err); gone {
				return nil, fmt.Errorf("read the certificate of slot %v: %w", slot, err)
			}
			bad = faulty(identity.CardUnsupported, fmt.Errorf("read the certificate of slot %v: %w", slot, err))
		}
	}
	switch {
	case len(list) > 0:
		return list, nil
	case bad != nil:
		return nil, bad
	default:
		return nil, errEmpty
	}
}

// retries asks without trying; -1: the card does not say.
func (h *held) retries() int {
	n, err := h.Retries()
	if err != nil {
		return -1
	}
	return n
}
