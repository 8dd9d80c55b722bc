package cards

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/report"
)

// Trouble is what people are told when a card was not made ready.
func Trouble(err error) report.CardMade {
	m := report.CardMade{Problem: Text(err), Fault: faultOf(err)}
	switch {
	case errors.Is(err, identity.ErrCardTaken):
		m.Taken, m.Fault = true, "certificate there"
		m.Problem = "The card holds a certificate already. Enrol that one, without --generate, or overwrite it with --force: whatever it is used for then ends."
	case errors.Is(err, identity.ErrOthersCard):
		m.Fault = "another's card"
		m.Problem = "The card in the reader is another account's. Insert your own."
	case errors.Is(err, identity.ErrManagementKey):
		m.NeedsManagementKey, m.Fault = true, "management key"
		m.Problem = "The card's management key is not the one that was tried, and without it no key can be made."
	case errors.Is(err, identity.ErrManyCards):
		m.Fault = "many cards"
		m.Problem = "More than one card is there. Take the others out, or name the reader with --reader."
	}
	return m
}

func faultOf(err error) string {
	var e *identity.CardError
	if errors.As(err, &e) {
		return e.Fault.String()
	}
	return identity.CardUnknown.String()
}

// DescribeReader says what is in a reader, and whether it is among the account's cards.
func DescribeReader(r identity.CardReader, live, revoked [][]byte) report.Reader {
	out := report.Reader{Name: identity.Printable(r.Name)}
	if r.Err != nil {
		out.Problem, out.Fault = Text(r.Err), faultOf(r.Err)
	}
	if r.Retries >= 0 {
		out.Retries = &r.Retries
	}
	if r.Agreement != nil {
		out.VerifyKey = verify.Fingerprint(r.Agreement)
	}
	among := func(list [][]byte, f []byte) bool {
		return slices.ContainsFunc(list, func(o []byte) bool { return bytes.Equal(o, f) })
	}
	for _, der := range r.Certificates {
		c, err := Describe(der)
		if err != nil {
			continue // what cannot be read is nobody's
		}
		f := identity.CardFingerprint(der)
		c.Yours, c.Revoked = among(live, f), among(revoked, f)
		out.Cards = append(out.Cards, c)
	}
	return out
}

// Describe says what a certificate of a card is.
func Describe(der []byte) (report.Card, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return report.Card{}, fmt.Errorf("certificate: %w", err)
	}
	return report.Card{
		Fingerprint: hex.EncodeToString(identity.CardFingerprint(der)), Subject: identity.Printable(c.Subject.String()),
		Key: keyWords(c), NotAfter: c.NotAfter,
	}, nil
}

func keyWords(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	default:
		return c.PublicKeyAlgorithm.String()
	}
}

// Status looks at the readers and opens no card: someone may be using it.
func (r *Reader) Status(ctx context.Context) *report.CardService {
	if r.Enroller() == nil {
		return nil
	}
	const patience = time.Second // status is asked by monitors
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := &report.CardService{}
	readers, err := r.Enroller().Readers(ctx)
	if err != nil {
		s.Problem, s.Fault = Text(err), faultOf(err)
	}
	for _, one := range readers {
		s.Readers = append(s.Readers, identity.Printable(one.Name))
	}
	return s
}
