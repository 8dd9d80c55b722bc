package realm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/server/store"
)

func someKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Promise procedures-joined-only.
func TestACallerIsTheKeyThatItsConnectionProves(t *testing.T) {
	key := someKey(t)
	for what, c := range map[string]struct {
		tls  *tls.ConnectionState
		want ed25519.PublicKey
	}{
		"without TLS":             {nil, nil},
		"without a certificate":   {&tls.ConnectionState{}, nil},
		"a key of another kind":   {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{PublicKey: &ecdsa.PublicKey{}}}}, nil},
		"its own":                 {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{PublicKey: key}}}, key},
		"its own, and an other's": {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{PublicKey: key}, {PublicKey: someKey(t)}}}, key},
	} {
		var got Caller
		h := WithCallers(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = CallerOf(r.Context()) }))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.TLS, r.RemoteAddr = c.tls, "192.0.2.7:4711"
		h.ServeHTTP(httptest.NewRecorder(), r)
		if !bytes.Equal(got.Key, c.want) || got.Host != "192.0.2.7" {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// Promise damage-reasons.
func TestAFaultTellsACallerNothingOfItsNature(t *testing.T) {
	b := newBoard(t)
	inner := errors.New("open /var/lib/secret: no such table")
	for what, c := range map[string]struct {
		err  error
		want connect.Code
	}{
		"a fault":            {inner, connect.CodeInternal},
		"what was said":      {ErrNotJoined, connect.CodeUnauthenticated},
		"too many at a time": {ErrTooMany, connect.CodeResourceExhausted},
		"a full disk":        {errors.Join(inner, store.ErrNoSpace), connect.CodeUnavailable},
	} {
		err := b.Fault(t.Context(), "test", c.err)
		if connect.CodeOf(err) != c.want || strings.Contains(err.Error(), "table") {
			t.Errorf("%s: %v", what, err)
		}
		var e *connect.Error
		if full := errors.As(err, &e) && len(e.Details()) == 1; full != (what == "a full disk") {
			t.Errorf("%s: its details: %t", what, full)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Fault(gone, "test", inner); connect.CodeOf(err) != connect.CodeCanceled || strings.Contains(err.Error(), "table") {
		t.Error(err)
	}
}
