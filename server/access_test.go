package server

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
	"os"
	"strings"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func TestACallerIsTheKeyThatItsConnectionProves(t *testing.T) {
	key := newKey(t)
	for what, c := range map[string]struct {
		tls  *tls.ConnectionState
		want ed25519.PublicKey
	}{
		"without TLS":             {nil, nil},
		"without a certificate":   {&tls.ConnectionState{}, nil},
		"a key of another kind":   {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{PublicKey: &ecdsa.PublicKey{}}}}, nil},
		"its own":                 {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{PublicKey: key}}}, key},
		"its own, and an other's": {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{PublicKey: key}, {PublicKey: newKey(t)}}}, key},
	} {
		var got caller
		h := withCaller(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = callerOf(r.Context()) }))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.TLS, r.RemoteAddr = c.tls, "192.0.2.7:4711"
		h.ServeHTTP(httptest.NewRecorder(), r)
		if !bytes.Equal(got.key, c.want) || got.host != "192.0.2.7" {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestOnlyAJoinedMachineThatIsNotShutOutIsServed(t *testing.T) {
	b := newBench(t)
	m := &machines{realm: b.realm, tries: newQuota(100, 100)}
	key := newKey(t)
	b.must(m.Join(as(t, "h", key), &v1.JoinRequest{Code: b.joinCode("laptop"), PublicKey: key}))
	served := func(what string, ctx context.Context, want connect.Code) {
		t.Helper()
		got, err := b.realm.machine(ctx)
		if want == 0 && (err != nil || got.Name != "laptop") || want != 0 && (connect.CodeOf(err) != want || got.Name != "") {
			t.Errorf("%s: %q %v", what, got.Name, err)
		}
	}
	served("joined", as(t, "h", key), 0)
	served("no key", as(t, "h", nil), connect.CodeUnauthenticated)
	served("an empty key", as(t, "h", ed25519.PublicKey{}), connect.CodeUnauthenticated)
	served("another key", as(t, "h", newKey(t)), connect.CodeUnauthenticated)
	served("no caller at all", t.Context(), connect.CodeUnauthenticated)
	b.must(b.admin.QuarantineMachine(t.Context(), nameOf("laptop")))
	served("in quarantine", as(t, "h", key), connect.CodePermissionDenied)
	b.must(b.admin.RemoveMachine(t.Context(), nameOf("laptop")))
	served("removed", as(t, "h", key), connect.CodeUnauthenticated)
}

func TestAFaultTellsACallerNothingOfItsNature(t *testing.T) {
	b := newBench(t)
	inner := errors.New("open /var/lib/secret: no such table")
	for what, c := range map[string]struct {
		err  error
		want connect.Code
	}{
		"a fault":            {inner, connect.CodeInternal},
		"what was said":      {errNotJoined, connect.CodeUnauthenticated},
		"too many at a time": {errTooMany, connect.CodeResourceExhausted},
		"a full disk":        {errors.Join(inner, store.ErrNoSpace), connect.CodeUnavailable},
	} {
		err := b.fault(t.Context(), "test", c.err)
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
	if err := b.fault(gone, "test", inner); connect.CodeOf(err) != connect.CodeCanceled || strings.Contains(err.Error(), "table") {
		t.Error(err)
	}
}

func TestTheAdminSocketServesRootAndItsOwnUserAlone(t *testing.T) {
	b := newBench(t)
	h := b.adminServer().Handler
	for what, c := range map[string]struct {
		peer any
		shut bool
	}{
		"root":           {uint32(0), false},
		"its own user":   {uint32(os.Getuid()), false},
		"another user":   {uint32(4711), true},
		"nobody known":   {nil, true},
		"something else": {"0", true},
	} {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, c.peer), http.MethodPost, "/", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Code == http.StatusForbidden; got != c.shut {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
}
