package kanidm_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
)

// double speaks Kanidm's HTTP API as far as a machine uses it: TLS, headers, states
// and errors in its form. What it knows it knows of a server of version 1.12.
type double struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	people   []*person
	bearers  map[string]bool
	sessions map[string]*authSession
	asked    []string // method and path of every request
	before   func(w http.ResponseWriter, r *http.Request) bool
}

type person struct {
	name, shell      string
	uid              uint32
	uuid             uuid.UUID
	posix, password  string
	totp, backup     string
	passkey, invalid bool
	locked           bool // softly: every answer is a no
	groups           []map[string]any
	keys             []string
}

type authSession struct {
	who   *person
	mech  string
	wants []string
	wrong bool
}

const domain = "idm.example.com"

func newDouble(t testing.TB) *double {
	t.Helper()
	d := &double{t: t, bearers: map[string]bool{"service": true}, sessions: map[string]*authSession{}}
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(d.serve))
	d.EnableHTTP2 = true
	d.StartTLS()
	t.Cleanup(d.Close)
	d.people = []*person{{
		name: "bob", uid: 70001, uuid: uuid.MustParse("0b0b0b0b-0000-4000-8000-000000000001"), posix: "correct horse", password: "battery staple",
		groups: []map[string]any{{"name": "staff", "spn": "staff@" + domain, "uuid": "0b0b0b0b-0000-4000-8000-00000000000a", "gidnumber": 70100}},
		keys:   []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPfaB2NTDAn4Fx9RDhFHHmhCUqdmF5KYqFOtKTWfSoF7 bob@laptop"},
	}}
	return d
}

func (d *double) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
}

// count tells how many requests began so.
func (d *double) count(prefix string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, a := range d.asked {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

func (d *double) with(change func(*person)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d.people[0])
}

// restart forgets every session, as a real server does.
func (d *double) restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions = map[string]*authSession{}
	d.bearers = map[string]bool{"service": true}
}

func (d *double) serve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, r.Method+" "+r.URL.Path)
	w.Header().Set("X-KANIDM-OPID", uuid.NewString())
	w.Header().Set("X-KANIDM-VERSION", "1.12.0-dev")
	if d.before != nil && d.before(w, r) {
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/auth":
		d.auth(w, r)
	case r.URL.Path == "/v1/logout":
		delete(d.bearers, bearer(r))
		reply(w, 200, nil)
	case len(parts) == 5 && parts[1] == "account" && parts[3] == "_unix":
		d.unix(w, r, parts[2], parts[4])
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (d *double) find(id string) *person {
	for _, p := range d.people {
		if id == p.name || id == p.name+"@"+domain || id == p.uuid.String() || id == strconv.Itoa(int(p.uid)) {
			return p
		}
	}
	return nil
}

func (d *double) unix(w http.ResponseWriter, r *http.Request, id, verb string) {
	p := d.find(id)
	switch {
	case !d.bearers[bearer(r)]:
		reply(w, 401, "notauthenticated")
	case p == nil:
		reply(w, 404, "nomatchingentries")
	case verb == "_token":
		reply(w, 200, p.token())
	case verb == "_auth":
		var b struct{ Value string }
		if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&b) != nil {
			reply(w, 400, "invalidrequeststate")
			return
		}
		if p.posix == "" || b.Value != p.posix || p.invalid || p.locked {
			reply(w, 200, nil)
			return
		}
		reply(w, 200, p.token())
	}
}

func (p *person) token() map[string]any {
	own := map[string]any{"name": p.name, "spn": p.name + "@" + domain, "uuid": p.uuid.String(), "gidnumber": p.uid}
	t := map[string]any{
		"name": p.name, "spn": p.name + "@" + domain, "displayname": "Bob B.", "gidnumber": p.uid, "uuid": p.uuid.String(),
		"groups": append([]map[string]any{own}, p.groups...), "sshkeys": p.keys, "valid": !p.invalid,
	}
	if p.shell != "" {
		t["shell"] = p.shell
	}
	return t
}

// auth is the stepped authentication: the second factor before the password.
func (d *double) auth(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Step struct {
			Init2 *struct{ Username, Issue string }
			Begin string
			Cred  json.RawMessage
		}
	}
	if json.NewDecoder(r.Body).Decode(&b) != nil {
		reply(w, 400, "invalidrequeststate")
		return
	}
	if b.Step.Init2 != nil {
		d.init(w, b.Step.Init2.Username)
		return
	}
	id := r.Header.Get("X-KANIDM-AUTH-SESSION-ID")
	s := d.sessions[id]
	if s == nil {
		reply(w, 401, "invalidsessionstate")
		return
	}
	w.Header().Set("X-KANIDM-AUTH-SESSION-ID", id)
	state := func(v any) { reply(w, 200, map[string]any{"sessionid": id, "state": v}) }
	if b.Step.Begin != "" {
		s.mech = b.Step.Begin
		s.wants = map[string][]string{
			"anonymous": {"anonymous"}, "password": {"password"}, "passwordmfa": {"totp", "password"}, "passwordbackupcode": {"backupcode", "password"},
		}[s.mech]
		state(map[string]any{"continue": s.wants[:1]})
		return
	}
	s.take(b.Step.Cred)
	switch {
	case s.wrong || s.who != nil && (s.who.locked || s.who.invalid):
		delete(d.sessions, id)
		state(map[string]any{"denied": "incorrect credentials"})
	case len(s.wants) > 0:
		state(map[string]any{"continue": s.wants[:1]})
	default:
		delete(d.sessions, id)
		token := uuid.NewString()
		d.bearers[token] = true
		state(map[string]any{"success": token})
	}
}

func (d *double) init(w http.ResponseWriter, username string) {
	s, mechs := &authSession{}, []string{"anonymous"}
	if username != "anonymous" {
		if s.who = d.find(username); s.who == nil {
			reply(w, 404, "nomatchingentries")
			return
		}
		mechs = s.who.mechanisms()
	}
	id := uuid.NewString()
	d.sessions[id] = s
	w.Header().Set("X-KANIDM-AUTH-SESSION-ID", id)
	reply(w, 200, map[string]any{"sessionid": id, "state": map[string]any{"choose": mechs}})
}

func (p *person) mechanisms() (list []string) {
	if p.passkey {
		list = append(list, "passkey")
	}
	switch {
	case p.totp != "":
		list = append(list, "passwordmfa")
		if p.backup != "" {
			list = append(list, "passwordbackupcode")
		}
	case p.password != "":
		list = append(list, "password")
	}
	return list
}

// take compares one credential with what is wanted next.
func (s *authSession) take(cred json.RawMessage) {
	var c struct {
		TOTP                 *uint32
		Password, BackupCode string
	}
	if string(cred) == `"anonymous"` {
		s.wrong = s.wrong || s.mech != "anonymous"
		s.wants = nil
		return
	}
	_ = json.Unmarshal(cred, &c)
	want := ""
	if len(s.wants) > 0 {
		want, s.wants = s.wants[0], s.wants[1:]
	}
	switch want {
	case "totp":
		code, _ := strconv.Atoi(s.who.totp)
		s.wrong = s.wrong || c.TOTP == nil || int(*c.TOTP) != code
	case "password":
		s.wrong = s.wrong || c.Password != s.who.password
	case "backupcode":
		s.wrong = s.wrong || c.BackupCode != s.who.backup
	default:
		s.wrong = true
	}
}

// memory is a provider.Memory that forgets when the test ends.
type memory struct{ m sync.Map }

func (m *memory) Recall(_ context.Context, key string) ([]byte, error) {
	if v, ok := m.m.Load(key); ok {
		return v.([]byte), nil
	}
	return nil, identity.ErrNotFound
}

func (m *memory) Remember(_ context.Context, key string, value []byte) error {
	m.m.Store(key, value)
	return nil
}

var box = uuid.MustParse("11111111-1111-4111-8111-111111111111")

func (d *double) options() kanidm.Options {
	d.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	return kanidm.Options{URL: d.URL, Realm: domain, RootPEM: d.ca(), MachineKey: key, MachineID: box, Memory: &memory{}}
}

// machine is a provider for it, with the options changed.
func (d *double) machine(change func(*kanidm.Options)) *kanidm.Provider {
	d.t.Helper()
	o := d.options()
	if change != nil {
		change(&o)
	}
	p, err := kanidm.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = p.Close() })
	return p
}

func secret(s string) identity.Secret { return identity.NewSecret([]byte(s)) }

// otherCA is an authority that vouches for nobody here.
func otherCA(t testing.TB) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
