package sallyport

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider/https"
)

// maxMessage bounds one message from the server: a batch of tokens, one of which
// may be the largest that there can be.
const maxMessage = 4 << 20

// machineCertificate wraps the machine's key for TLS. The server looks at nothing
// but the key, so the certificate signs itself and says nothing.
func machineCertificate(key crypto.Signer) (*tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sallyport machine"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("machine certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// tlsConfig takes whom verify takes, and nobody else. In TLS 1.3 a client shows its
// certificate only after that (RFC 8446, section 2).
func tlsConfig(cert *tls.Certificate, verify func([]*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is what verifies
		VerifyConnection:   func(cs tls.ConnectionState) error { return verify(cs.PeerCertificates) },
		// Whatever authorities the server names: ours is not from any.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
	}
}

// lookConfig takes anybody, shows no certificate, and hands over the chain: it is for
// looking at what a server says about itself, on a connection that nothing secret is
// said on.
func lookConfig(host string, chain *[]*x509.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: host,
		InsecureSkipVerify: true, //nolint:gosec // what comes over it is signed itself
		VerifyConnection: func(cs tls.ConnectionState) error {
			*chain = cs.PeerCertificates
			return nil
		},
	}
}

// look asks whoever answers there what it says about itself.
func look(ctx context.Context, server, host string, way https.Way, known uint64) (*v1.DescribeResponse, []*x509.Certificate, error) {
	var chain []*x509.Certificate
	t := https.Transport(lookConfig(host, &chain), way)
	defer t.CloseIdleConnections()
	resp, err := sallyportv1connect.NewRealmServiceClient(https.Client(t), server, limits()).Describe(ctx, &v1.DescribeRequest{KeyListVersion: known})
	if err != nil {
		return nil, chain, fmt.Errorf("ask for the key list: %w", err)
	}
	return resp, chain, nil
}

// transport is one that can be made anew: what begins after that makes connections
// of its own.
type transport struct {
	config  *tls.Config
	way     https.Way
	current atomic.Pointer[http.Transport]
}

func newTransport(c *tls.Config, way https.Way) *transport {
	t := &transport{config: c, way: way}
	t.renew()
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.current.Load().RoundTrip(r) //nolint:wrapcheck // a transport's own
}

func (t *transport) renew() {
	if old := t.current.Swap(https.Transport(t.config.Clone(), t.way)); old != nil {
		old.CloseIdleConnections()
	}
}

// CloseIdleConnections is for http.Client.
func (t *transport) CloseIdleConnections() { t.current.Load().CloseIdleConnections() }

// verifyServer judges the chain that a server presents: by the key list, or by the
// root certificate of a machine that has none yet. When it is another than the list
// names, whoever presented it is asked once for a newer list, so that a renewed
// certificate needs no visit here.
func (e *endpoint) verifyServer(chain []*x509.Certificate) error {
	p := e.p
	err := e.knownServer(chain)
	if err == nil || len(chain) == 0 || p.anchor.realmKey == nil && p.trust.Load() == nil {
		if timely := e.timely(chain, time.Time{}); timely != nil {
			err = timely
		}
		return distrusted(chain, err)
	}
	judged, _, _ := e.looking.Do(string(chain[0].Raw), func() (any, error) { return e.judge(chain, err), nil })
	if e.knownServer(chain) == nil {
		return nil
	}
	j, _ := judged.(*judgement)
	if j == nil {
		return errors.New("the server has a new certificate, and its key list was asked for a moment ago: again in " + askAgain.String())
	}
	return distrusted(chain, j.why)
}

// judgement is what was said about itself by whoever showed a certificate.
type judgement struct {
	certificate []byte
	why         error
}

// judge asks whoever shows that certificate for a newer list, and says why it is not
// known after that. It is bounded: nobody can make the machine ask all the time. Nil
// means that nobody was asked about this certificate.
func (e *endpoint) judge(chain []*x509.Certificate, err error) *judgement {
	leaf := chain[0]
	if e.p.mayAsk(&e.looked) {
		at, said := e.lookAgain()
		why := otherCertificate(err, said)
		if timely := e.timely(chain, at); timely != nil {
			why = timely
		}
		e.judged.Store(&judgement{leaf.Raw, why})
	}
	if j := e.judged.Load(); j != nil && bytes.Equal(j.certificate, leaf.Raw) {
		return j
	}
	return nil
}

// lookAgain also returns the server's own time, zero where it was not told.
func (e *endpoint) lookAgain() (time.Time, error) {
	p := e.p
	ctx, cancel := context.WithTimeout(context.Background(), p.o.Timeouts.Dial)
	defer cancel()
	resp, _, err := look(ctx, e.url, e.host, p.way(), p.listVersion())
	if err != nil {
		return time.Time{}, err
	}
	return moment(resp.GetServerTime()), p.offered(ctx, resp)
}

func (e *endpoint) knownServer(chain []*x509.Certificate) error {
	return e.knownAt(chain, e.p.o.Now())
}

// knownAt is whether the chain would be the server's at another time than now.
func (e *endpoint) knownAt(chain []*x509.Certificate, now time.Time) error {
	p := e.p
	if t := p.trust.Load(); t != nil {
		return t.list.VerifyTLS(chain, e.host, now)
	}
	if p.anchor.realmKey != nil {
		return errors.New("no key list is known yet")
	}
	return verifyRoots(p.anchor.roots, chain, e.host, now)
}

// timely is what is wrong where everything but the time is right with the server's chain:
// whoever shows it holds the server's key, so nobody is called a forger for it. Whether
// the clock here is wrong or the certificate old is told by the server's own time.
func (e *endpoint) timely(chain []*x509.Certificate, server time.Time) error {
	return https.Timely(chain, e.p.o.Now(), server, e.knownAt)
}

func distrusted(chain []*x509.Certificate, err error) error {
	if err == nil {
		return nil
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
}

// mayAsk allows one in askAgain, of each kind.
func (p *Provider) mayAsk(at *atomic.Int64) bool {
	now, last := p.o.Now().UnixNano(), at.Load()
	return (now-last >= int64(askAgain) || now < last) && at.CompareAndSwap(last, now)
}

func limits() connect.ClientOption {
	return connect.WithClientOptions(connect.WithReadMaxBytes(maxMessage), connect.WithInterceptors(forms{}))
}

// forms tells the server with each call which forms of tokens are understood here. One
// that does not know the header sends the oldest.
type forms struct{}

const (
	formsHeader = "Sallyport-Forms"
	// formsKnown: 2 is ID tokens with their history, 3 knows keys of servers that only read.
	formsKnown = "3"
)

// WrapUnary implements connect.Interceptor.
func (forms) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		req.Header().Set(formsHeader, formsKnown)
		return next(ctx, req)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (forms) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		c := next(ctx, spec)
		c.RequestHeader().Set(formsHeader, formsKnown)
		return c
	}
}

// WrapStreamingHandler implements connect.Interceptor; there is no handler here.
func (forms) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// bounded gives ctx a deadline if it has none that is sooner.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// hostPort is an address as it is connected to.
func hostPort(address string) string { return strings.TrimPrefix(address, "https://") }
