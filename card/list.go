package card

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
)

// Readers tells which readers have a card in them, and opens none.
func (s *Service) Readers(ctx context.Context) ([]identity.CardReader, error) {
	return work(ctx, s, s.o.Timeout, nil, func(*job) ([]identity.CardReader, error) {
		p, err := connect()
		if err != nil {
			return nil, err
		}
		defer p.close()
		readers, err := p.readers()
		if err != nil {
			return nil, err
		}
		var list []identity.CardReader
		for _, r := range readers {
			c := identity.CardReader{Name: r.name, Retries: -1}
			if !r.card {
				c.Err = faulty(identity.CardNone, nil)
			}
			list = append(list, c)
		}
		return list, nil
	})
}

// List tells of every reader what is in it. No reader is no error.
func (s *Service) List(ctx context.Context) ([]identity.CardReader, error) {
	return work(ctx, s, s.o.Timeout, nil, func(j *job) ([]identity.CardReader, error) {
		var list []identity.CardReader
		err := s.each(j, func(r reader, h *held, err error) bool {
			list = append(list, describe(r, h, err))
			return true
		})
		return list, err
	})
}

func describe(r reader, h *held, err error) identity.CardReader {
	c := identity.CardReader{Name: r.name, Retries: -1}
	if err == nil {
		c.Retries = h.retries()
		var keys []key
		if keys, err = h.keys(); err == nil {
			for _, k := range keys {
				c.Certificates = append(c.Certificates, k.certificate.Raw)
			}
			if k, err := h.agreementKey(); err == nil {
				c.Agreement, _ = k.Bytes() // never fails for a key on the curve, which it is
			}
			return c
		}
	}
	c.Err = fault(err)
	return c
}
