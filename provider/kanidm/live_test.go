//go:build kanidm_live

package kanidm_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/providertest"
)

// live is a real server, which the environment names: KANIDM_URL, KANIDM_CA (a PEM
// file), KANIDM_ADMIN (default idm_admin) and KANIDM_ADMIN_PASSWORD. What it makes
// there has a name that begins with "sallyport-test-", and is taken away again.
type live struct {
	t       *testing.T
	http    *http.Client
	url     string
	bearer  string
	session string
	name    string
	// Of the one-time code: the secret in base32, and the last code that was told.
	secret    string
	algorithm otp.Algorithm
	told      string
	// What the machines ask goes through it, so that it can be counted.
	between *httptest.Server
	mu      sync.Mutex
	asked   []string
}

const (
	livePosix    = "a POSIX password of some length 7"
	livePassword = "another password of some length 9"
)

func TestARealServer(t *testing.T) {
	need := func(name string) string {
		t.Helper()
		v := os.Getenv(name)
		if v == "" {
			t.Fatalf("%s is not set: see docs/kanidm.md", name)
		}
		return v
	}
	ca, err := os.ReadFile(need("KANIDM_CA"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	l := &live{
		t: t, url: strings.TrimSuffix(need("KANIDM_URL"), "/"),
		http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}},
		name: "sallyport-test-" + strings.ToLower(rand.Text()[:8]),
	}
	admin := os.Getenv("KANIDM_ADMIN")
	if admin == "" {
		admin = "idm_admin"
	}
	l.signIn(admin, need("KANIDM_ADMIN_PASSWORD"))
	l.prepare()
	l.count()
	scenarios(t, l)
}

// count puts itself between the machines and the server.
func (l *live) count() {
	to, err := url.Parse(l.url)
	if err != nil {
		l.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: l.http.Transport, Rewrite: func(r *httputil.ProxyRequest) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked = append(l.asked, r.In.Method+" "+r.In.URL.Path)
		r.SetURL(to)
	}}
	l.between = httptest.NewTLSServer(proxy)
	l.t.Cleanup(l.between.Close)
}

// Count is as the double's.
func (l *live) Count(prefix string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.asked {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

func (l *live) server() (string, *http.Client) { return l.url, l.http }

// renew begins anew with the codes, too: they are of another generator.
func (l *live) renew() {
	l.told = ""
	l.credentials()
}

// do is a request as the administrator; a status other than 200 ends the test.
func (l *live) do(method, path string, body any, into any) {
	l.t.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			l.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, bytes.NewReader(b))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if l.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+l.bearer)
	}
	if l.session != "" {
		req.Header.Set("X-KANIDM-AUTH-SESSION-ID", l.session)
	}
	resp, err := l.http.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		l.t.Fatalf("%s %s: %s: %s %v", method, path, resp.Status, text, err)
	}
	if s := resp.Header.Get("X-KANIDM-AUTH-SESSION-ID"); s != "" {
		l.session = s
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			l.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

func (l *live) signIn(admin, password string) {
	l.t.Helper()
	step := func(s any) (success string) {
		var r struct{ State struct{ Success string } }
		l.do(http.MethodPost, "/v1/auth", map[string]any{"step": s}, &r)
		return r.State.Success
	}
	step(map[string]any{"init2": map[string]any{"username": admin, "issue": "token", "privileged": true}})
	step(map[string]any{"begin": "password"})
	l.bearer = step(map[string]any{"cred": map[string]any{"password": password}})
	if l.bearer == "" {
		l.t.Fatal("the administrator's password is not accepted, or is not all that is asked for")
	}
	l.session = ""
}

func (l *live) path(rest string) string { return "/v1/person/" + url.PathEscape(l.name) + rest }

// prepare makes the person and the group, and has them taken away in the end.
func (l *live) prepare() {
	t := l.t
	l.do(http.MethodPost, "/v1/person", map[string]any{"attrs": map[string]any{"name": []string{l.name}, "displayname": []string{"Sallyport test"}}}, nil)
	clean := func(path string) {
		t.Cleanup(func() {
			req, err := http.NewRequest(http.MethodDelete, l.url+path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+l.bearer)
			resp, err := l.http.Do(req)
			if err != nil {
				t.Errorf("%s is left on the server: %v", path, err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s is left on the server: %s", path, resp.Status)
			}
		})
	}
	clean(l.path(""))
	l.do(http.MethodPost, l.path("/_unix"), map[string]any{}, nil)
	l.do(http.MethodPut, l.path("/_unix/_credential"), map[string]any{"value": livePosix}, nil)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	l.do(http.MethodPost, l.path("/_ssh_pubkeys"), []string{"test", line}, nil)
	l.do(http.MethodPost, "/v1/group", map[string]any{"attrs": map[string]any{"name": []string{l.group()}}}, nil)
	clean("/v1/group/" + l.group())
	l.do(http.MethodPost, "/v1/group/"+l.group()+"/_unix", map[string]any{}, nil)
	l.do(http.MethodPost, "/v1/group/"+l.group()+"/_attr/member", []string{l.name}, nil)
	for _, name := range []string{l.name + "-e", l.name + "-n"} {
		l.do(http.MethodPost, "/v1/group", map[string]any{"attrs": map[string]any{"name": []string{name}}}, nil)
		clean("/v1/group/" + name)
	}
	l.do(http.MethodPost, "/v1/group/"+l.name+"-e/_unix", map[string]any{}, nil)
	l.credentials()
}

// credentials gives the person a password and a one-time code, which is what a
// server asks for by default.
func (l *live) credentials() {
	t := l.t
	var begun []json.RawMessage
	l.do(http.MethodGet, l.path("/_credential/_update"), nil, &begun)
	update := func(request any, into any) {
		l.do(http.MethodPost, "/v1/credential/_update", []any{request, begun[0]}, into)
	}
	update(map[string]any{"password": livePassword}, nil)
	var made struct {
		MFARegState struct {
			TOTPCheck struct {
				Secret []int  `json:"secret"`
				Algo   string `json:"algo"`
			} `json:"totpcheck"`
		} `json:"mfaregstate"`
	}
	update("totpgenerate", &made)
	raw := make([]byte, len(made.MFARegState.TOTPCheck.Secret))
	for i, n := range made.MFARegState.TOTPCheck.Secret {
		raw[i] = byte(n)
	}
	if len(raw) == 0 {
		t.Fatal("the server made no secret for one-time codes, or tells it in another form")
	}
	algorithms := map[string]otp.Algorithm{"sha1": otp.AlgorithmSHA1, "sha256": otp.AlgorithmSHA256, "sha512": otp.AlgorithmSHA512}
	l.algorithm = algorithms[strings.ToLower(made.MFARegState.TOTPCheck.Algo)]
	l.secret = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
	var code int
	if _, err := fmt.Sscanf(l.code(), "%d", &code); err != nil {
		t.Fatal(err)
	}
	update(map[string]any{"totpverify": []any{code, rand.Text()}}, nil) // a name that is there already is not taken
	l.do(http.MethodPost, "/v1/credential/_commit", begun[0], nil)
}

func (l *live) machine(change func(*kanidm.Options)) *kanidm.Provider {
	l.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.between.Certificate().Raw})
	o := kanidm.Options{URL: l.between.URL, Realm: "live", RootPEM: ca, MachineKey: key, MachineID: uuid.New(), Memory: &providertest.Memory{}, Installed: everything}
	if change != nil {
		change(&o)
	}
	p, err := kanidm.New(o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = p.Close() })
	return p
}

func (l *live) who() (identity.Name, string, string) {
	return identity.Name(l.name), livePosix, livePassword
}
func (l *live) group() string                 { return l.name + "-g" }
func (l *live) lone() (identity.Name, uint32) { return identity.Name(l.name + "-e"), 0 } // the server chose the number
func (l *live) flat() identity.Name           { return identity.Name(l.name + "-n") }

func (l *live) shell(path string) {
	l.do(http.MethodPut, l.path("/_attr/loginshell"), []string{path}, nil)
}

func (l *live) calls(displayName string) {
	l.do(http.MethodPut, l.path("/_attr/displayname"), []string{displayName}, nil)
}

func (l *live) expire(yes bool) {
	if yes {
		l.do(http.MethodPut, l.path("/_attr/account_expire"), []string{"2001-01-01T00:00:00Z"}, nil)
		return
	}
	l.do(http.MethodDelete, l.path("/_attr/account_expire"), nil, nil)
}

// code is one that was not told before: it waits for the next half minute if need be,
// because a server may take each only once.
func (l *live) code() string {
	l.t.Helper()
	for {
		c, err := totp.GenerateCodeCustom(l.secret, time.Now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: l.algorithm})
		if err != nil {
			l.t.Fatal(err)
		}
		if c != l.told {
			l.told = c
			return c
		}
		select {
		case <-time.After(time.Second):
		case <-l.t.Context().Done():
			l.t.Fatal("the test ends")
		}
	}
}
