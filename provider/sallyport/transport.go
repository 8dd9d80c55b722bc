package sallyport

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"connectrpc.com/connect"
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

func tlsConfig(roots *x509.CertPool, cert *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots,
		// Whatever authorities the server names: ours is not from any.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
	}
}

func limits() connect.ClientOption {
	return connect.WithClientOptions(connect.WithReadMaxBytes(maxMessage), connect.WithInterceptors(forms{}))
}

// forms tells the server with each call which forms of tokens are understood here. One
// that does not know the header sends the oldest.
type forms struct{}

const (
	formsHeader = "Sallyport-Forms"
	// formsKnown: 2 is ID tokens with their history.
	formsKnown = "2"
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
