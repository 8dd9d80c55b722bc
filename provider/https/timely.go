package https

import (
	"crypto/x509"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/trouble"
)

// Timely is for whoever judges a server's chain: nil means that more than the time is
// wrong with it, or nothing is.
func Timely(chain []*x509.Certificate, now, server time.Time, known func([]*x509.Certificate, time.Time) error) error {
	if len(chain) == 0 || known(chain, now) == nil {
		return nil
	}
	leaf := chain[0]
	within := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	if more := known(chain, within); more != nil {
		return nil //nolint:nilerr // more than the time is wrong: that is somebody else's error
	}
	err := error(x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired, Detail: "the certificate's dates do not fit the time here"})
	if !server.IsZero() && known(chain, server) == nil {
		return &provider.CauseError{Cause: trouble.ClockWrong, Places: ClockPlaces(now, server), Err: err}
	}
	return Caused(err, now)
}

// ClockPlaces are those of trouble.ClockWrong.
func ClockPlaces(now, server time.Time) []string {
	return []string{"HERE", now.UTC().Format(Date), "THERE", server.UTC().Format(Date), "TIME", server.UTC().Format(time.DateTime)}
}
