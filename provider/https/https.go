// Package https is what providers have in common: a connection to a server that is
// trusted by the authorities that the configuration names, and by no others.
package https

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// ErrRedirect ends a request that the server wants sent elsewhere: the connection
// goes where the configuration says.
var ErrRedirect = errors.New("the server redirects, which is not followed")

// CheckURL accepts https://HOST[:PORT] and nothing more.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("server address: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return fmt.Errorf("server address %q: want https://HOST or https://HOST:PORT", s)
	}
	return nil
}

// Transport connects with that TLS configuration; dial bounds connecting, and the
// handshake, each. No proxy is taken from the environment. A dead connection is
// noticed by pings, so that no request waits on it.
func Transport(c *tls.Config, dial time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: dial, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        c,
		TLSHandshakeTimeout:    dial,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        5 * time.Minute,
		MaxIdleConns:           8,
		MaxIdleConnsPerHost:    8,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 3 * time.Second},
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Client makes requests over it and follows no redirect.
func Client(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect }}
}

// Distrusted tells whether someone answered who could not prove to be the server.
func Distrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}
