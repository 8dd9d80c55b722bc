package card

import (
	"bytes"
	"context"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
)

// Find looks for a card that is wanted, in every reader, and asks nobody for
// anything.
func (s *Service) Find(ctx context.Context, wanted identity.CardsWanted) (identity.CardSeen, error) {
	return work(ctx, s, s.o.Timeout, nil, func(j *job) (identity.CardSeen, error) { return s.find(j, wanted) })
}

func (s *Service) find(j *job, wanted identity.CardsWanted) (identity.CardSeen, error) {
	var seen identity.CardSeen
	var worst worst
	err := s.each(j, func(r reader, h *held, err error) bool {
		if err == nil {
			if seen, err = s.match(h, wanted); err == nil {
				return false
			}
		}
		worst.add(err)
		return true
	})
	if err != nil {
		return identity.CardSeen{}, err
	}
	if seen.Fingerprint == nil {
		return identity.CardSeen{}, worst.error()
	}
	return seen, nil
}

// each opens the card in each reader, until visit returns false. visit gets either
// a card or why there is none.
func (s *Service) each(j *job, visit func(reader, *held, error) bool) error {
	p, err := connect()
	if err != nil {
		return err
	}
	defer p.close()
	readers, err := p.readers()
	if err != nil {
		return err
	}
	for _, r := range readers {
		if !r.card {
			if !visit(r, nil, faulty(identity.CardNone, nil)) {
				return nil
			}
			continue
		}
		if !s.one(j, p, r, visit) {
			return nil
		}
	}
	return nil
}

func (s *Service) one(j *job, p *pcsc, r reader, visit func(reader, *held, error) bool) bool {
	h, err := s.open(j, p, r.name)
	if err != nil {
		return visit(r, nil, err)
	}
	defer h.close()
	return visit(r, h, nil)
}

// match is the card as one that is wanted, or why it is not.
func (s *Service) match(h *held, wanted identity.CardsWanted) (identity.CardSeen, error) {
	keys, err := h.keys()
	if err != nil {
		return identity.CardSeen{}, err
	}
	among := func(list [][]byte, k key) bool {
		return slices.ContainsFunc(list, func(f []byte) bool { return bytes.Equal(f, k.fingerprint) })
	}
	var worst worst
	for _, k := range keys {
		switch {
		case among(wanted.Live, k):
			if err := s.dated(k); err != nil {
				worst.add(err)
				continue
			}
			if err := h.agreesBy(wanted.Agreement); err != nil {
				return identity.CardSeen{}, err
			}
			return identity.CardSeen{Fingerprint: k.fingerprint, Reader: h.reader, Retries: h.retries(), NotAfter: k.certificate.NotAfter}, nil
		case among(wanted.Revoked, k):
			worst.add(faulty(identity.CardRevoked, nil))
		default:
			worst.add(faulty(identity.CardWrong, nil))
		}
	}
	return identity.CardSeen{}, worst.error()
}

func (s *Service) dated(k key) error {
	switch now := s.o.Now(); {
	case now.Before(k.certificate.NotBefore):
		return faulty(identity.CardNotYet, nil)
	case now.After(k.certificate.NotAfter):
		return faulty(identity.CardExpired, nil)
	default:
		return nil
	}
}

// worst keeps the fault that says most. Its zero value: no reader was looked at.
type worst struct{ err *identity.CardError }

func (w *worst) add(err error) {
	if e := fault(err); w.err == nil || rank(e.Fault) < rank(w.err.Fault) {
		w.err = e
	}
}

func (w *worst) error() error {
	if w.err == nil {
		return faulty(identity.CardNoReader, nil)
	}
	return w.err
}

// rank is a fault's place in the order of the package's documentation.
func rank(f identity.CardFault) int {
	order := []identity.CardFault{
		identity.CardNoService, identity.CardNotAllowed,
		identity.CardRevoked, identity.CardExpired, identity.CardNotYet, identity.CardBusy, identity.CardRemoved,
		identity.CardUnsupported, identity.CardWrong, identity.CardUnknown, identity.CardNotPIV, identity.CardNone, identity.CardNoReader,
	}
	if i := slices.Index(order, f); i >= 0 {
		return i
	}
	return len(order)
}
