package sallyport_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// message is one request as it went over the wire, below TLS.
type message struct {
	url  string
	head http.Header
	body []byte
}

// tap is a machine whose requests are kept.
type tap struct {
	t    testing.TB
	o    sallyport.Options
	http *http.Client
	auth sallyportv1connect.AuthenticationServiceClient

	mu   sync.Mutex
	kept []message
}

func newTap(t testing.TB, o sallyport.Options) *tap {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, o.MachineKey.Public(), o.MachineKey)
	ok(t, nil, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(o.RootPEM)
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: o.MachineKey}},
	}}
	t.Cleanup(transport.CloseIdleConnections)
	m := &tap{t: t, o: o, http: &http.Client{Transport: transport}}
	m.auth = sallyportv1connect.NewAuthenticationServiceClient(&http.Client{Transport: recorder{m, transport}}, o.URL)
	return m
}

type recorder struct {
	*tap
	next http.RoundTripper
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.kept = append(r.kept, message{req.URL.String(), req.Header.Clone(), body})
	r.mu.Unlock()
	return r.next.RoundTrip(req)
}

// replay sends a message again as it was, and fails if it lets anyone in.
func (m *tap) replay(what string, old message) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, old.url, bytes.NewReader(old.body))
	ok(m.t, nil, err)
	req.Header = old.head.Clone()
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := m.http.Do(req)
	ok(m.t, nil, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ok(m.t, nil, err)
	if resp.StatusCode != http.StatusOK {
		m.t.Fatalf("%s: %s", what, resp.Status) // it is to be judged, not misunderstood
	}
	var outcome v1.Outcome
	if strings.HasSuffix(old.url, "/Begin") {
		var answer v1.BeginResponse
		ok(m.t, nil, proto.Unmarshal(body, &answer))
		outcome = answer.GetOutcome()
	} else {
		var answer v1.StepResponse
		ok(m.t, nil, proto.Unmarshal(body, &answer))
		if outcome = answer.GetOutcome(); outcome != v1.Outcome_OUTCOME_DENY {
			m.t.Errorf("%s: %s", what, outcome)
		}
	}
	if outcome == v1.Outcome_OUTCOME_ALLOW {
		m.t.Errorf("%s: let in", what)
	}
}

// login is one whole authentication: what each step sends, given the reply before.
type login struct {
	name string
	more []bool
	step []func(account, *v1.Nonce) (identity.FactorKind, []byte)
	// alike tells that the last answer would do again: a password is one.
	alike bool
}

// account is what a login is made with.
type account struct {
	*liveRealm
	*tap
	id    [16]byte
	key   *ecdsa.PrivateKey
	der   []byte
	codes []string
}

func byPassword(account, *v1.Nonce) (identity.FactorKind, []byte) {
	return identity.Password, []byte(testPassword)
}

func byCode(a account, _ *v1.Nonce) (identity.FactorKind, []byte) {
	return identity.TOTP, []byte(codeOf(a.tap.t, totpKey, 0))
}

func byBackupCode(a account, _ *v1.Nonce) (identity.FactorKind, []byte) {
	return identity.BackupCode, []byte(a.codes[0])
}

func byOneLine(a account, _ *v1.Nonce) (identity.FactorKind, []byte) {
	return identity.PasswordAndTOTP, []byte(testPassword + codeOf(a.tap.t, totpKey, 0))
}

func byCard(a account, n *v1.Nonce) (identity.FactorKind, []byte) {
	t := a.tap.t
	message, err := identity.CardChallenge{
		Realm: a.o.Realm, Machine: a.o.MachineID, Account: a.id, Service: "test",
		Nonce: identity.Nonce{Value: [identity.NonceLen]byte(n.GetValue()), Time: n.GetTime()},
	}.Message()
	ok(t, nil, err)
	digest, opts := identity.CardDigest(a.key.Public(), message)
	sig, err := a.key.Sign(rand.Reader, digest, opts)
	ok(t, nil, err)
	s, err := identity.CardProof{Fingerprint: identity.CardFingerprint(a.der), Signature: sig}.Encode()
	ok(t, nil, err)
	return identity.PIV, s.Reveal()
}

// holder is alice with all that the logins need.
func holder(t testing.TB, r *liveRealm, withTOTP bool) account {
	t.Helper()
	r.account("alice")
	a := account{liveRealm: r, tap: newTap(t, r.options("box"))}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, nil, err)
	a.key = key
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "card"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ok(t, nil, err)
	view, err := r.admin.AddCard(t.Context(), &v1.AddCardRequest{Name: "alice", Certificate: a.der})
	ok(t, nil, err)
	record, err := open(t, r.options("reader")).Fetch(t.Context(), identity.Name(view.GetName()))
	ok(t, nil, err)
	a.id = record.Token.Account.UUID
	if withTOTP {
		ok(t, nil, second(r.admin.AddTOTP(t.Context(), &v1.AddTOTPRequest{Name: "alice", Secret: []byte(totpKey)})))
		made, err := r.admin.NewBackupCodes(t.Context(), &v1.NameRequest{Name: "alice"})
		ok(t, nil, err)
		a.codes = made.GetCodes()
	}
	return a
}

func (a account) unlock() {
	ok(a.tap.t, nil, second(a.admin.UnlockAccount(a.tap.t.Context(), &v1.NameRequest{Name: "alice"})))
}

// begin begins; the answers after it are sent with its cookie.
func (a account) begin() *v1.BeginResponse {
	a.tap.t.Helper()
	b, err := a.auth.Begin(a.tap.t.Context(), &v1.BeginRequest{Name: "alice", Service: "test"})
	ok(a.tap.t, nil, err)
	return b
}

// Promise attack-network-overheard, login-overheard.
func TestNoMessageOfALoginLetsAnyoneInAgain(t *testing.T) {
	type step = func(account, *v1.Nonce) (identity.FactorKind, []byte)
	for _, l := range []login{
		{"password", []bool{false}, []step{byPassword}, true},
		{"card", []bool{false}, []step{byCard}, false},
		{"password and code", []bool{false, false}, []step{byPassword, byCode}, false},
		{"password and backup code", []bool{false, false}, []step{byPassword, byBackupCode}, false},
		{"one line", []bool{false}, []step{byOneLine}, false},
		{"password, then card", []bool{true, true}, []step{byPassword, byCard}, false},
		{"card, then code, then password", []bool{true, true, false}, []step{byCard, byCode, byPassword}, false},
	} {
		t.Run(l.name, func(t *testing.T) {
			r := newRealm(t)
			a := holder(t, r, l.name != "password" && l.name != "password, then card")
			other := newTap(t, r.options("other"))
			credentials := a.run(l)
			for _, m := range a.kept {
				a.unlock()
				a.replay("a message alone", m)
				other.replay("a message alone, from another machine", m)
			}
			for range 2 {
				a.unlock()
				for _, m := range a.kept {
					a.replay("all in order", m)
				}
				a.unlock()
				for _, m := range a.kept {
					other.replay("all in order, from another machine", m)
				}
			}
			if l.alike {
				return
			}
			for _, by := range []*tap{a.tap, other} {
				a.unlock()
				a.answersAgain(by, l, credentials)
			}
		})
	}
}

// run goes through the login once and returns what it answered.
func (a account) run(l login) (credentials [][]byte) {
	t := a.tap.t
	t.Helper()
	b := a.begin()
	cookie, nonce, outcome := b.GetSession(), b.GetNonce(), b.GetOutcome()
	for i, s := range l.step {
		kind, credential := s(a, nonce)
		resp, err := a.auth.Step(t.Context(), &v1.StepRequest{Session: cookie, Kind: string(kind), Credential: credential, More: l.more[i]})
		ok(t, nil, err)
		credentials = append(credentials, credential)
		cookie, nonce, outcome = resp.GetSession(), resp.GetNonce(), resp.GetOutcome()
	}
	if outcome != v1.Outcome_OUTCOME_ALLOW {
		t.Fatal(outcome)
	}
	return credentials
}

// answersAgain sends the credentials of a login in a session of its own.
func (a account) answersAgain(by *tap, l login, credentials [][]byte) {
	t := a.tap.t
	t.Helper()
	b, err := by.auth.Begin(t.Context(), &v1.BeginRequest{Name: "alice", Service: "test"})
	ok(t, nil, err)
	cookie, nonce := b.GetSession(), b.GetNonce()
	for i, s := range l.step {
		kind, _ := s(a, nonce)
		resp, err := by.auth.Step(t.Context(), &v1.StepRequest{Session: cookie, Kind: string(kind), Credential: credentials[i], More: l.more[i]})
		ok(t, nil, err)
		if resp.GetOutcome() == v1.Outcome_OUTCOME_ALLOW {
			t.Errorf("%s: what was answered once lets someone in again", l.name)
		}
		if resp.GetOutcome() != v1.Outcome_OUTCOME_CONTINUE {
			return
		}
		cookie, nonce = resp.GetSession(), resp.GetNonce()
	}
}
