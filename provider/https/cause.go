package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/trouble"
)

// Caused wraps an error of a connection in what it came from, where that is known. What
// was wrapped already stays as it is.
func Caused(err error, now time.Time) error {
	var known *provider.CauseError
	if err == nil || errors.As(err, &known) {
		return err
	}
	id, places := cause(err, now)
	if id == "" {
		return err
	}
	return &provider.CauseError{Cause: id, Places: places, Err: err}
}

// Date is how a day and a time stand in messages.
const Date = "2006-01-02 15:04 MST"

func cause(err error, now time.Time) (trouble.ID, []string) {
	if id, places := certificateCause(err, now); id != "" {
		return id, places
	}
	var record tls.RecordHeaderError
	var proxy *ProxyError
	switch {
	case errors.As(err, &proxy) && proxy.Status != "":
		return trouble.ProxyRefuses, []string{"PROXY", proxy.Proxy, "WHY", proxy.Status}
	case errors.As(err, &proxy):
		return trouble.ProxyDown, []string{"PROXY", proxy.Proxy, "WHY", proxy.Err.Error()}
	case errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record):
		return trouble.NotTLS, nil
	case errors.Is(err, ErrRedirect):
		return trouble.Redirected, nil
	}
	return networkCause(err)
}

// certificateCause names what is wrong with a certificate. The dates are judged apart
// from the rest, because they may be right and the clock wrong.
func certificateCause(err error, now time.Time) (trouble.ID, []string) {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return trouble.CertNotYet, []string{"DATE", invalid.Cert.NotBefore.UTC().Format(Date)}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return trouble.CertExpired, []string{"DATE", invalid.Cert.NotAfter.UTC().Format(Date)}
	case errors.As(err, &host):
		return trouble.CertName, append([]string{"NAMES", strings.Join(Names(host.Certificate), ", ")}, better(host)...)
	case errors.As(err, &authority):
		issuer := "unknown"
		if authority.Cert != nil {
			issuer = authority.Cert.Issuer.String()
		}
		return trouble.CertUnknown, []string{"ISSUER", issuer}
	}
	return "", nil
}

// Names are whom a certificate is for.
func Names(c *x509.Certificate) []string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return []string{"nobody"}
	}
	return names
}

// better is a name that the certificate is for, in place of the one that was used.
func better(e x509.HostnameError) []string {
	for _, n := range Names(e.Certificate) {
		if !strings.HasPrefix(n, "*") && n != "nobody" {
			return []string{"BETTER", n, "WRONG", e.Host}
		}
	}
	return nil
}

func networkCause(err error) (trouble.ID, []string) {
	var places []string
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		places = []string{"ADDRESS", op.Addr.String()}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		places = []string{"HOST", dns.Name, "WHY", dns.Err}
		if dns.IsNotFound {
			return trouble.NoDNS, places
		}
		return trouble.DNSDown, places
	}
	for errno, id := range map[syscall.Errno]trouble.ID{
		syscall.ECONNREFUSED: trouble.Refused, syscall.EHOSTUNREACH: trouble.NoRoute, syscall.ENETUNREACH: trouble.NoRoute,
		syscall.ENETDOWN: trouble.NoRoute, syscall.EADDRNOTAVAIL: trouble.NoRoute, syscall.EHOSTDOWN: trouble.NoRoute,
		syscall.EACCES: trouble.Filtered, syscall.EPERM: trouble.Filtered,
		syscall.ECONNRESET: trouble.ConnectionBroken, syscall.EPIPE: trouble.ConnectionBroken, syscall.ETIMEDOUT: trouble.Timeout,
	} {
		if errors.Is(err, errno) {
			return id, append(places, "WHY", errno.Error())
		}
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return trouble.Timeout, places
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return trouble.ConnectionBroken, append(places, "WHY", "it was closed from the other side")
	}
	return "", nil
}
