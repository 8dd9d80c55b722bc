package cards

import (
	"bytes"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Fits finds whose card was seen, and judges its dates.
func Fits(t *identity.IDToken, seen identity.CardSeen, now time.Time) (identity.Factor, error) {
	at := slices.IndexFunc(t.Factors, func(f identity.Factor) bool {
		return f.Kind == identity.PIV && bytes.Equal(identity.CardFingerprint(f.Certificate), seen.Fingerprint)
	})
	if at < 0 {
		return identity.Factor{}, &identity.CardError{Fault: identity.CardWrong, Retries: -1}
	}
	cert, err := identity.ParseCard(t.Factors[at].Certificate)
	var fault identity.CardFault
	switch {
	case err != nil:
		fault = identity.CardUnsupported
	case now.After(cert.NotAfter):
		fault = identity.CardExpired
	case now.Before(cert.NotBefore):
		fault = identity.CardNotYet
	case seen.Retries == 0:
		fault = identity.CardBlocked
	case seen.Retries == 1:
		fault = identity.CardLastTry
	default:
		return t.Factors[at], nil
	}
	return identity.Factor{}, &identity.CardError{Fault: fault, Retries: seen.Retries, Err: err}
}
