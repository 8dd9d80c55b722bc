package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/metrics"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/cardservice"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// procedures are those that the public listener serves.
func procedures() (list []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFilesByPackage("sallyport.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			if s := f.Services().Get(i); s.Name() != "AdminService" {
				for j := range s.Methods().Len() {
					list = append(list, s.Methods().Get(j))
				}
			}
		}
		return true
	})
	return list
}

// told is what the listener answers to an empty request for a procedure, from that key.
func told(t *testing.T, h http.Handler, m protoreflect.MethodDescriptor, key ed25519.PublicKey) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	body, kind := []byte("{}"), "application/json"
	if m.IsStreamingServer() {
		body, kind = append(binary.BigEndian.AppendUint32([]byte{0}, 2), body...), "application/connect+json"
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/"+string(m.Parent().FullName())+"/"+string(m.Name()), bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.TLS = &tls.ConnectionState{}
	if key != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{{PublicKey: key}}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

// joins is the key of a machine that has joined.
func joins(b *servertest.Bench, name identity.Name) ed25519.PublicKey {
	b.T.Helper()
	_, calls := b.Machine(name)
	return realm.CallerOf(calls).Key
}

// What anybody may ask, without having joined.
const openToAll = "Describe, Join, GetCertificate, AnswerChallenge, Pull"

// Promise attack-network-accounts, procedures-joined-only.
func TestNobodyIsAnsweredWhoHasNotJoined(t *testing.T) {
	b := servertest.New(t)
	joined, shut, gone := joins(b, "laptop"), joins(b, "shut"), joins(b, "gone")
	b.Must(b.Admin.QuarantineMachine(t.Context(), &v1.NameRequest{Name: "shut"}))
	b.Must(b.Admin.RemoveMachine(t.Context(), &v1.NameRequest{Name: "gone"}))
	cards, err := cardservice.New(b.Realm, cardservice.Options{})
	b.Must(nil, err)
	stranger, _, err := ed25519.GenerateKey(nil)
	b.Must(nil, err)
	ending := make(chan struct{})
	close(ending) // so that a stream that was let in ends
	h := publicServer(b.Realm, b.Engine, request.New(b.Realm, nil), cards, application.New(b.Realm, nil, application.Delivery{}), ending, attend(b.Realm, metrics.New())).Handler
	asked := 0
	for _, m := range procedures() {
		if strings.Contains(openToAll, string(m.Name())) {
			continue
		}
		asked++
		for what, c := range map[string]struct {
			key  ed25519.PublicKey
			want string
		}{
			"no key":               {nil, "unauthenticated"},
			"a key of nobody":      {stranger, "unauthenticated"},
			"a removed machine":    {gone, "unauthenticated"},
			"one in quarantine":    {shut, "permission_denied"},
			"one that has joined ": {joined, ""},
		} {
			got := told(t, h, m, c.key)
			if m.Parent().Name() == "ReportService" { // for servers that only read, and for no machine
				c.want = "unauthenticated"
			}
			refused := strings.Contains(got, `"unauthenticated"`) || strings.Contains(got, `"permission_denied"`)
			if refused != (c.want != "") || !strings.Contains(got, c.want) || refused && strings.Contains(got, "idTokens") {
				t.Errorf("%s, %s: %s", m.FullName(), what, got)
			}
		}
	}
	if asked < 9 {
		t.Errorf("only %d procedures were asked for", asked)
	}
}
