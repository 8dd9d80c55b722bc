package sallyport_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

func jsonBody(s string) io.Reader { return strings.NewReader(s) }

func insecure() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
}

// hostile is a server with the right certificate and the wrong answers.
func hostile(t *testing.T, h http.HandlerFunc) *sallyport.Provider {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, sallyport.Options{
		URL: s.URL, RootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
		MachineKey: key, MachineID: uuid.New(), Memory: &providertest.Memory{},
		Timeouts: sallyport.Timeouts{Dial: 5 * time.Second, Call: 500 * time.Millisecond, Silence: 500 * time.Millisecond},
	})
}

// Promise attack-network-server.
func TestWhateverAHostileServerAnswersCountsAsOffline(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	body := func(code int, kind string, b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = w.Write(b)
		}
	}
	for sentence, answer := range map[string]http.HandlerFunc{
		"an internal error":                   status(500),
		"bad gateway":                         status(502),
		"too many requests":                   status(429),
		"request timeout":                     status(408),
		"a bare 401 of a proxy":               status(401),
		"a bare 403 of a proxy":               status(403),
		"a bare 404 of a proxy":               status(404),
		"a 404 that claims not_found":         body(404, "application/json", []byte(`{"code":"not_found","message":"no such account"}`)),
		"a portal's page":                     body(200, "text/html", []byte("<html>please sign in</html>")),
		"garbage that claims to be a message": body(200, "application/proto", []byte("\xff\xff\xff\xff garbage")),
		"an empty message":                    body(200, "application/proto", nil),
		"a message without end":               body(200, "application/proto", bytes.Repeat([]byte{0x0a, 0x7f}, 8<<20)),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"nothing at all": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"half an answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("half"))
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := hostile(t, answer)
			_, err := p.Fetch(t.Context(), "alice")
			offline(t, "fetch", err)
			_, reply, err := p.Begin(t.Context(), provider.Attempt{Name: "alice"})
			if err == nil && reply.Outcome == provider.Deny && sentence == "an empty message" {
				// An empty message is a well-formed denial, which grants nothing.
			} else {
				offline(t, "begin", err)
			}
			_, err = p.List(t.Context(), func(provider.Record) error { return nil })
			offline(t, "list", err)
			offline(t, "watch", p.Watch(t.Context(), provider.Position{}, nil, func(provider.Event) error { return nil }))
		})
	}
}

func offline(t *testing.T, call string, err error) {
	t.Helper()
	if !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrNotFound) || errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("%s: got %v, want offline", call, err)
	}
}

func TestAStreamThatFallsSilentIsOffline(t *testing.T) {
	p := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Describe") {
			w.Header().Set("Content-Type", "application/proto") // a server from before key lists
			return
		}
		w.Header().Set("Content-Type", "application/connect+proto")
		_, _ = w.Write([]byte{0, 0, 0, 0, 2, 0x3a, 0}) // one Alive
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	heard := 0
	err := p.Watch(t.Context(), provider.Position{}, nil, func(e provider.Event) error {
		if e.Kind == provider.Alive {
			heard++
		}
		return nil
	})
	offline(t, "watch", err)
	if heard != 1 {
		t.Fatalf("heard %d events", heard)
	}
}
