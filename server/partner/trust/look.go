package trust

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

const (
	// callTimeout bounds one request to a server of a partner, and dialTimeout connecting.
	callTimeout = 20 * time.Second
	dialTimeout = 5 * time.Second
	// maxMessage bounds what a server of a partner may answer: a key list and an answer, each of
	// which is one signed token.
	maxMessage = 2*identity.MaxTokenLen + 64<<10
	maxHeader  = 64 << 10
)

var errRedirect = errors.New("the server redirects, which is not followed")

// UntrustedError says that somebody answered who did not prove to be a server of the partner.
type UntrustedError struct{ Err error }

func (e *UntrustedError) Error() string { return "whoever answers is not known: " + e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *UntrustedError) Unwrap() error { return e.Err }

// Way is how one server of a partner is asked.
type Way struct {
	url    string
	client *http.Client
	end    func()
}

// To is the way to the server at that address. verify judges the chain of certificates that it
// presents, its own first; nothing is said to one that is refused.
func To(address string, verify func(chain []*x509.Certificate, host string) error) (*Way, error) {
	if err := identity.CheckServerURL(address); err != nil {
		return nil, err //nolint:wrapcheck // it names the address
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("address of a server: %w", err)
	}
	t := &http.Transport{
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeader, TLSHandshakeTimeout: dialTimeout,
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS13,
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is what verifies
			VerifyConnection: func(cs tls.ConnectionState) error {
				if err := verify(cs.PeerCertificates, u.Hostname()); err != nil {
					return &UntrustedError{err}
				}
				return nil
			},
		},
	}
	c := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	return &Way{url: strings.TrimSuffix(address, "/"), client: c, end: t.CloseIdleConnections}, nil
}

// End closes its connections.
func (w *Way) End() { w.end() }

// Describe asks for what the server says about itself.
func (w *Way) Describe(ctx context.Context) (*v1.DescribeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := sallyportv1connect.NewRealmServiceClient(w.client, w.url, connect.WithReadMaxBytes(maxMessage)).Describe(ctx, &v1.DescribeRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", w.url, err)
	}
	return resp, nil
}

// Pull asks for people.
func (w *Way) Pull(ctx context.Context, req *v1.PullRequest) (*v1.PullResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := sallyportv1connect.NewPartnerServiceClient(w.client, w.url, connect.WithReadMaxBytes(maxMessage)).Pull(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", w.url, err)
	}
	return resp, nil
}

// Shown is what somebody who answered at an address says about themselves. Nothing of it is
// believed yet.
type Shown struct {
	Host   string
	Bundle []byte
	Chain  []*x509.Certificate
}

// Look asks whoever answers at that address, on a connection on which nothing else is said.
func Look(ctx context.Context, address string) (s Shown, err error) {
	w, err := To(address, func(chain []*x509.Certificate, host string) error {
		s.Chain, s.Host = chain, host
		return nil
	})
	if err != nil {
		return s, err
	}
	defer w.End()
	resp, err := w.Describe(ctx)
	if err != nil {
		return s, err
	}
	s.Bundle = resp.GetKeyList()
	return s, nil
}

// pinned is the realm that a fingerprint vouches for.
type pinned struct {
	root   ed25519.PublicKey
	bundle []byte
	list   *identity.KeyList
}

// by is what was shown, if it gives that fingerprint, and the server proves by the TLS key in it
// to be the realm's.
func (s Shown) by(fingerprint string, now time.Time) (*pinned, error) {
	want, ok := identity.ParseFingerprint(fingerprint)
	if !ok {
		return nil, errors.New("the fingerprint is not a SHA-256 in hex, as \"sallyport-server keys show\" prints it there")
	}
	b, err := identity.DecodeKeyBundle(s.Bundle)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	list, err := identity.OpenKeyList(b.RealmKey, b.List)
	if err != nil {
		return nil, err //nolint:wrapcheck // likewise
	}
	t, ok := list.Pinned(b.RealmKey, want)
	if !ok {
		return nil, errors.New("whoever answers there has another fingerprint: compare it with what \"sallyport-server keys show\" prints there")
	}
	if err := t.Verify(s.Chain, s.Host, now); err != nil {
		return nil, fmt.Errorf("the fingerprint is right, and the certificate that the server shows is not the realm's: %w", err)
	}
	return &pinned{root: b.RealmKey, bundle: s.Bundle, list: list}, nil
}
