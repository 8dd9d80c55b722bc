// Package kanidm plays a Kanidm server for tests: its HTTP API as far as a machine
// uses it, with TLS, headers, states and errors in its form. What it knows it knows of
// servers of versions 1.11.1 and 1.12; it is no way to keep accounts.
package kanidm

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// Double is the server. Bob is there, with a POSIX password and another one.
type Double struct {
	*httptest.Server
	domain   string
	mu       sync.Mutex
	people   []*Person
	groups   []*Group
	bearers  map[string]bool
	sessions map[string]*authSession
	opened   map[string]*session // by bearer, also those that are over
	again    int                 // reauthentications that came out well
	asked    []string            // method and path of every request
	// Before may answer a request itself, and then says true.
	Before func(w http.ResponseWriter, r *http.Request) bool
}

// Person is an account; its zero fields are what it does not have.
type Person struct {
	Name, Shell      string
	DisplayName      string // "": Bob B.
	UID              uint32
	UUID             uuid.UUID
	POSIX, Password  string
	TOTP, Backup     string // a code that is always right
	Passkey, Invalid bool
	Locked           bool // softly: every answer is a no
	Removed          bool
	Groups           []map[string]any
	Odd              map[string]any // fields of its token in another form
	Keys             []string

	credential int // grows when Password, TOTP or Backup change
}

// Group is one that nobody needs to be in. One that is NotPOSIX has no number.
type Group struct {
	Name     string
	GID      uint32
	UUID     uuid.UUID
	NotPOSIX bool
}

func (g *Group) token(domain string) map[string]any {
	return map[string]any{"name": g.Name, "spn": g.Name + "@" + domain, "uuid": g.UUID.String(), "gidnumber": g.GID}
}

// Domain is what follows the @ of every spn of a server that is not told otherwise.
const Domain = "idm.example.com"

func New(t testing.TB) *Double {
	t.Helper()
	d := Start()
	t.Cleanup(d.Close)
	return d
}

// Start is New without a test: whoever calls it calls Close.
func Start() *Double { return StartAs(Domain) }

// StartAs is Start with another domain.
func StartAs(domain string) *Double {
	d := &Double{domain: domain, bearers: map[string]bool{"service": true}, sessions: map[string]*authSession{}, opened: map[string]*session{}}
	d.open(nil)
	d.people = []*Person{{
		Name: "bob", UID: 70001, UUID: uuid.MustParse("0b0b0b0b-0000-4000-8000-000000000001"), POSIX: "correct horse", Password: "battery staple",
		Groups: []map[string]any{{"name": "staff", "spn": "staff@" + domain, "uuid": "0b0b0b0b-0000-4000-8000-00000000000a", "gidnumber": 70100}},
		Keys:   []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPfaB2NTDAn4Fx9RDhFHHmhCUqdmF5KYqFOtKTWfSoF7 bob@laptop"},
	}}
	return d
}

// open serves at a place of the system's choice, or at that one.
func (d *Double) open(at net.Listener) {
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(d.serve))
	if at != nil {
		_ = d.Listener.Close() // nobody was told of it
		d.Listener = at
	}
	d.EnableHTTP2 = true
	d.StartTLS()
}

// Return serves again after Close, where it did before and under the same certificate,
// as Restart.
func (d *Double) Return(ctx context.Context) error {
	at, err := new(net.ListenConfig).Listen(ctx, "tcp", d.Listener.Addr().String())
	if err != nil {
		return fmt.Errorf("the double returns: %w", err)
	}
	d.Restart()
	d.open(at)
	return nil
}

// CA is what vouches for it, in PEM form.
func (d *Double) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
}

// Count tells how many requests began so.
func (d *Double) Count(prefix string) int {
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

// Add lets somebody come.
func (d *Double) Add(p *Person) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people = append(d.people, p)
}

// WithGroups changes the groups that stand for themselves.
func (d *Double) WithGroups(change func([]*Group) []*Group) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groups = change(d.groups)
}

// With changes Bob. Another password, generator or set of backup codes ends his
// sessions, as on a real server.
func (d *Double) With(change func(*Person)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.people[0]
	before := [...]string{p.Password, p.TOTP, p.Backup}
	change(p)
	if before != [...]string{p.Password, p.TOTP, p.Backup} {
		p.credential++
	}
}

// Restart forgets every authentication that is going on. Sessions live on.
func (d *Double) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions = map[string]*authSession{}
}

// Forget ends every session.
func (d *Double) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bearers = map[string]bool{"service": true}
	for _, s := range d.opened {
		s.over = true
	}
}

func (d *Double) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-KANIDM-OPID", uuid.NewString())
	w.Header().Set("X-KANIDM-VERSION", "1.12.0-dev")
	d.mu.Lock()
	d.asked = append(d.asked, r.Method+" "+r.URL.Path)
	before := d.Before
	d.mu.Unlock()
	if before != nil && before(w, r) { // it may take its time, and nobody else's
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/auth":
		d.auth(w, r)
	case r.Method == http.MethodPost && r.URL.Path == "/v1/reauth":
		d.reauth(w, r)
	case len(parts) == 5 && parts[1] == "group" && parts[3] == "_unix" && parts[4] == "_token":
		d.group(w, r, parts[2])
	case r.URL.Path == "/v1/logout":
		d.logout(bearer(r))
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

func (d *Double) find(id string) *Person {
	for _, p := range d.people {
		if !p.Removed && (id == p.Name || id == p.Name+"@"+d.domain || id == p.UUID.String() || id == strconv.Itoa(int(p.UID))) {
			return p
		}
	}
	return nil
}

// called tells whether the id is one of a group's names.
func called(id string, g map[string]any) bool {
	return id == g["name"] || id == g["spn"] || id == g["uuid"] || id == fmt.Sprint(g["gidnumber"])
}

// findGroup finds a group that stands for itself or that somebody is in.
func (d *Double) findGroup(id string) (token map[string]any, posix bool) {
	for _, g := range d.groups {
		if t := g.token(d.domain); called(id, t) {
			return t, !g.NotPOSIX
		}
	}
	for _, p := range d.people {
		if at := slices.IndexFunc(p.Groups, func(g map[string]any) bool { return called(id, g) }); at >= 0 && !p.Removed {
			return p.Groups[at], true
		}
	}
	return nil, false
}

// group answers for a person as for the group of their own, as a real server does.
func (d *Double) group(w http.ResponseWriter, r *http.Request, id string) {
	g, posix := d.findGroup(id)
	p := d.find(id)
	switch {
	case !d.bearers[bearer(r)]:
		reply(w, 401, "notauthenticated")
	case p != nil:
		reply(w, 200, p.own(d.domain))
	case g == nil:
		reply(w, 404, "nomatchingentries")
	case !posix:
		reply(w, 500, map[string]any{"missingclass": "posixgroup"})
	default:
		reply(w, 200, g)
	}
}

func (d *Double) unix(w http.ResponseWriter, r *http.Request, id, verb string) {
	p := d.find(id)
	g, _ := d.findGroup(id)
	switch {
	case !d.bearers[bearer(r)]:
		reply(w, 401, "notauthenticated")
	case p == nil && g != nil:
		reply(w, 500, map[string]any{"missingclass": "account"})
	case p == nil:
		reply(w, 404, "nomatchingentries")
	case verb == "_token":
		reply(w, 200, p.token(d.domain))
	case verb == "_auth":
		var b struct{ Value string }
		if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&b) != nil {
			reply(w, 400, "invalidrequeststate")
			return
		}
		if p.POSIX == "" || b.Value != p.POSIX || p.Invalid || p.Locked {
			reply(w, 200, nil)
			return
		}
		reply(w, 200, p.token(d.domain))
	}
}

func (p *Person) own(domain string) map[string]any {
	return map[string]any{"name": p.Name, "spn": p.Name + "@" + domain, "uuid": p.UUID.String(), "gidnumber": p.UID}
}

func (p *Person) token(domain string) map[string]any {
	t := map[string]any{
		"name": p.Name, "spn": p.Name + "@" + domain, "displayname": cmp.Or(p.DisplayName, "Bob B."), "gidnumber": p.UID, "uuid": p.UUID.String(),
		"groups": append([]map[string]any{p.own(domain)}, p.Groups...), "sshkeys": p.Keys, "valid": !p.Invalid,
	}
	if p.Shell != "" {
		t["shell"] = p.Shell
	}
	maps.Copy(t, p.Odd)
	return t
}
