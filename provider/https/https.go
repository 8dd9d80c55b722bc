// Package https is what providers have in common: a connection to a server that is
// trusted by the authorities that the configuration names, and by no others.
package https

import (
	"cmp"
	"context"
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

// Way is how a server is reached.
type Way struct {
	// Proxy is HOST:PORT of an HTTP proxy that is asked to CONNECT (RFC 9110, section
	// 9.3.6); "" for none. It sees the server's name and nothing of what is said. None is
	// taken from the environment.
	Proxy string
	// Dial bounds connecting, and the handshake, each.
	Dial time.Duration
	// Quiet is for how long a connection may bring nothing until a ping asks whether it is
	// alive: zero is 5 s.
	Quiet time.Duration
	// Keep is for how long a connection is kept that nobody uses: zero is 5 min.
	Keep time.Duration
}

// ProxyError says that the proxy did not connect.
type ProxyError struct {
	Proxy  string
	Status string // of its refusal; "" where it was not reached
	Err    error
}

// Error implements error.
func (e *ProxyError) Error() string {
	if e.Status != "" {
		return "the proxy " + e.Proxy + " answers: " + e.Status
	}
	return "the proxy " + e.Proxy + ": " + e.Err.Error()
}

// Unwrap implements errors.Unwrap.
func (e *ProxyError) Unwrap() error { return e.Err }

// Transport connects with that TLS configuration. A dead connection is noticed by pings,
// so that no request waits on it.
func Transport(c *tls.Config, way Way) *http.Transport {
	way.Quiet, way.Keep = cmp.Or(way.Quiet, 5*time.Second), cmp.Or(way.Keep, 5*time.Minute)
	t := &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: way.Dial, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        c,
		TLSHandshakeTimeout:    way.Dial,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        way.Keep,
		MaxIdleConns:           8,
		MaxIdleConnsPerHost:    8,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: way.Quiet, PingTimeout: 3 * time.Second},
		MaxResponseHeaderBytes: 64 << 10,
	}
	if way.Proxy == "" {
		return t
	}
	t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: way.Proxy})
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) { // to the proxy alone
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, &ProxyError{Proxy: way.Proxy, Err: err}
		}
		return conn, nil
	}
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
		if r.StatusCode != http.StatusOK {
			return &ProxyError{Proxy: way.Proxy, Status: r.Status, Err: errRefused}
		}
		return nil
	}
	return t
}

var errRefused = errors.New("it refuses to connect")

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
