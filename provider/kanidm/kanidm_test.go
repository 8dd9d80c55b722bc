package kanidm_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
	"github.com/sallyport-auth/sallyport/trouble"
)

// Promise kanidm-tokens.
func TestAnAccountIsWhatTheServerSaysInOurForm(t *testing.T) {
	d := newRig(t)
	p := d.machine(nil)
	r, err := p.Fetch(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	a := r.Token.Account
	want := identity.Account{UUID: bobID, Name: "bob", UID: 70001, GID: 70001, FullName: "Bob B.", Home: "/home/" + bobID.String(), Shell: "/bin/sh"}
	if a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if len(r.Token.Groups) != 2 || r.Token.Groups[1].Name != "staff" || r.Token.Groups[1].GID != 70100 || r.Token.SSHKeys[0].Validate() != nil {
		t.Errorf("%+v", r.Token)
	}
	back, err := p.Verify(r.Signed)
	if err != nil || !reflect.DeepEqual(back, r.Token) {
		t.Errorf("what was signed reads %+v, %v", back, err)
	}
	if _, err := d.machine(nil).Verify(r.Signed); !errors.Is(err, identity.ErrToken) {
		t.Error("another machine's token is taken:", err)
	}
	byUID, err := p.FetchUID(t.Context(), 70001)
	if err != nil || byUID.Token.Revision != r.Token.Revision {
		t.Error(byUID, err)
	}
	d.With(func(p *person) { p.Shell, p.Invalid = "/bin/zsh", true })
	changed, err := p.Fetch(t.Context(), "bob")
	if err != nil || changed.Token.Revision <= r.Token.Revision || changed.Token.Account.Shell != "/bin/zsh" || changed.Token.State != identity.Disabled {
		t.Errorf("%+v %v", changed.Token, err)
	}
}

// Promise kanidm-tokens.
// Seen red: the first revision not held at the time of day at least.
func TestARevisionNeverGoesBackEvenWhenMemoryIsLost(t *testing.T) {
	d := newRig(t)
	now := time.Now()
	o := d.options()
	o.Now = func() time.Time { return now }
	open := func() *kanidm.Provider {
		p, err := kanidm.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	revision := func(p *kanidm.Provider) uint64 {
		t.Helper()
		r, err := p.Fetch(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		return r.Token.Revision
	}
	first := revision(open())
	if again := revision(open()); again != first {
		t.Errorf("nothing changed, and the revision went from %d to %d", first, again)
	}
	d.With(func(p *person) { p.Shell = "/bin/zsh" })
	second := revision(open())
	o.Memory = &providertest.Memory{}
	now = now.Add(time.Hour)
	if third := revision(open()); second <= first || third <= second {
		t.Errorf("revisions %d, %d, %d", first, second, third)
	}
}

func TestHomesAndShellsAreMappedAsTheAdministratorSays(t *testing.T) {
	d := newRig(t)
	for want, m := range map[string]kanidm.Mapping{
		"/home/0b0b0b0b-0000-4000-8000-000000000001": {},
		"/users/bob":                 {HomeName: kanidm.ByName, HomePrefix: "/users/"},
		"/home/bob@" + double.Domain: {HomeName: kanidm.BySPN},
	} {
		r, err := d.machine(func(o *kanidm.Options) { o.Mapping = m }).Fetch(t.Context(), "bob")
		if err != nil || r.Token.Account.Home != want {
			t.Errorf("%+v: %+v, %v", m, r.Token, err)
		}
	}
	shell := d.machine(func(o *kanidm.Options) { o.Mapping.Shell = "/bin/bash" })
	if r, err := shell.Fetch(t.Context(), "bob"); err != nil || r.Token.Account.Shell != "/bin/bash" {
		t.Errorf("%+v, %v", r.Token, err)
	}
	for _, m := range []kanidm.Mapping{{HomeName: "x"}, {HomePrefix: "home/"}, {HomePrefix: "/home"}} {
		o := d.options()
		o.Mapping = m
		if _, err := kanidm.New(o); err == nil {
			t.Errorf("%+v is taken", m)
		}
	}
}

func TestPeopleAndGroupsAreCalledAsTheAdministratorSays(t *testing.T) {
	d := newRig(t)
	key := d.options().MachineKey
	var signed, groups [][]byte
	for _, c := range []struct {
		users, groups bool
		name, shared  identity.Name
	}{
		{false, false, "bob", "staff"},
		{true, false, "bob@" + double.Domain, "staff"},
		{false, true, "bob", "staff@" + double.Domain},
		{true, true, "bob@" + double.Domain, "staff@" + double.Domain},
	} {
		p := d.machine(func(o *kanidm.Options) {
			o.Mapping.QualifiedUsers, o.Mapping.QualifiedGroups, o.MachineKey = c.users, c.groups, key
		})
		r, err := p.Fetch(t.Context(), c.name)
		if err != nil || r.Token.Account.Name != c.name || r.Token.Groups[1].Name != c.shared || r.Token.Validate() != nil {
			t.Errorf("%+v: %+v, %v", c, r.Token, err)
		}
		if _, err := p.FetchUID(t.Context(), 70001); err != nil {
			t.Errorf("%+v by uid: %v", c, err)
		}
		signed = append(signed, r.Signed)
		g, err := p.FetchGID(t.Context(), 70100)
		if err != nil || g.Token.Group.Name != c.shared {
			t.Errorf("%+v: %+v, %v", c, g.Token, err)
		}
		groups = append(groups, g.Signed)
	}
	// What is remembered is called as the settings of today say.
	for _, qualified := range []bool{false, true} {
		p := d.machine(func(o *kanidm.Options) {
			o.Mapping.QualifiedUsers, o.Mapping.QualifiedGroups, o.MachineKey = qualified, !qualified, key
		})
		user, group := identity.Name("bob"), identity.Name("staff")
		if qualified {
			user += "@" + double.Domain
		} else {
			group += "@" + double.Domain
		}
		for _, s := range signed {
			if tok, err := p.Verify(s); err != nil || tok.Account.Name != user || tok.Groups[1].Name != group || tok.Validate() != nil {
				t.Errorf("qualified %t: %+v, %v", qualified, tok, err)
			}
		}
	}
	for _, s := range groups {
		short, qualified := d.machine(func(o *kanidm.Options) { o.MachineKey = key }), d.machine(func(o *kanidm.Options) {
			o.MachineKey, o.Mapping.QualifiedGroups = key, true
		})
		for p, want := range map[*kanidm.Provider]identity.Name{short: "staff", qualified: "staff@" + double.Domain} {
			if tok, err := p.VerifyGroup(s); err != nil || tok.Group.Name != want {
				t.Errorf("%+v, %v", tok, err)
			}
		}
	}
	// Where the realm is not called like the domain, the names would be another realm's.
	p := d.machine(func(o *kanidm.Options) { o.Mapping.QualifiedUsers, o.Realm = true, "elsewhere" })
	r, err := p.Fetch(t.Context(), "bob@"+double.Domain)
	if err != nil || r.Token.Validate() == nil || !strings.Contains(r.Token.Validate().Error(), `a name of the realm "`+double.Domain+`", and this is "elsewhere"`) {
		t.Errorf("%v, %v", r.Token.Validate(), err)
	}
}

// TestEveryAnswerMeansWhatTheTableSays is the table of the package comment.
// Promise kanidm-answers, groups-no-accounts.
// Seen red: any 404 taken for "not found".
func TestEveryAnswerMeansWhatTheTableSays(t *testing.T) {
	say := func(status int, contentType, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/v1/auth" {
				return false
			}
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	const js, html = "application/json", "text/html"
	for name, c := range map[string]struct {
		before func(http.ResponseWriter, *http.Request) bool
		want   error
	}{
		"408": {say(408, html, ""), provider.ErrOffline}, "429": {say(429, html, ""), provider.ErrOffline},
		"500": {say(500, js, `"consistencyerror"`), provider.ErrOffline}, "502": {say(502, html, "<h1>"), provider.ErrOffline},
		"503": {say(503, html, ""), provider.ErrOffline}, "504": {say(504, js, `"x"`), provider.ErrOffline},
		"200 without JSON": {say(200, html, "<h1>hotel wifi</h1>"), provider.ErrOffline},
		"200 with half":    {say(200, js, `{"name":"bob"`), provider.ErrOffline},
		"200 with another": {say(200, js, `{"hello":"world"}`), provider.ErrOffline},
		"204":              {say(204, js, ""), provider.ErrOffline},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
			return true
		}, provider.ErrOffline},
		"401":                {say(401, js, `"notauthenticated"`), provider.ErrRefusedMachine},
		"403":                {say(403, js, `"accessdenied"`), provider.ErrRefusedMachine},
		"404 of the server":  {say(404, js, `"nomatchingentries"`), provider.ErrNotFound},
		"404 of a proxy":     {say(404, html, "404 page not found"), provider.ErrOffline},
		"404 with another":   {say(404, js, `"x"`), provider.ErrOffline},
		"no POSIX account":   {say(500, js, `{"missingclass":"posixaccount"}`), provider.ErrNotFound},
		"no POSIX group":     {say(500, js, `{"missingclass":"posixgroup"}`), provider.ErrNotFound},
		"a group":            {say(500, js, `{"missingclass":"account"}`), provider.ErrNotFound},
		"another class":      {say(500, js, `{"missingclass":"person"}`), provider.ErrOffline},
		"no state":           {say(500, js, `{"invalidaccountstate":"Missing attribute: gidnumber"}`), provider.ErrNotFound},
		"another's account":  {say(200, js, `{"name":"eve","spn":"eve@x","displayname":"","gidnumber":70009,"uuid":"0b0b0b0b-0000-4000-8000-000000000009","groups":[{"name":"eve","spn":"eve@x","uuid":"0b0b0b0b-0000-4000-8000-000000000009","gidnumber":70009}],"sshkeys":[],"valid":true}`), provider.ErrNotFound},
		"hung up in between": {func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) }, provider.ErrOffline},
	} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t)
			d.Config.ErrorLog = log.New(io.Discard, "", 0)
			d.Before = c.before
			_, err := d.machine(nil).Fetch(t.Context(), "bob")
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !errors.Is(c.want, provider.ErrNotFound) && errors.Is(err, provider.ErrNotFound) {
				t.Error("it counts as not found too")
			}
		})
	}
}

// Promise kanidm-answers.
func TestAServerThatIsAwayOrNotItselfIsOffline(t *testing.T) {
	d := newRig(t)
	strange := d.machine(func(o *kanidm.Options) { o.RootPEM = otherCA(t) })
	_, err := strange.Fetch(t.Context(), "bob")
	if !errors.Is(err, provider.ErrUntrusted) || !errors.Is(err, provider.ErrOffline) {
		t.Error("a certificate of another authority:", err)
	}
	if n := d.Count(""); n != 0 {
		t.Errorf("%d requests reached it", n)
	}
	named := d.machine(func(o *kanidm.Options) { o.URL = strings.Replace(o.URL, "127.0.0.1", "localhost", 1) })
	if _, err = named.Fetch(t.Context(), "bob"); !errors.Is(err, provider.ErrUntrusted) {
		t.Error("a certificate of another name:", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mute := d.machine(func(o *kanidm.Options) { o.URL, o.Dial = "https://"+l.Addr().String(), 50*time.Millisecond })
	if _, err = mute.Fetch(t.Context(), "bob"); !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) {
		t.Error("a server that says nothing:", err)
	}
	gone := d.machine(nil)
	d.Close()
	if _, err = gone.Fetch(t.Context(), "bob"); !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrUntrusted) {
		t.Error("a server that is not there:", err)
	}
}

func TestAnAnonymousSessionIsMadeAnewWhenItIsForgotten(t *testing.T) {
	d := newRig(t)
	p := d.machine(nil)
	fetch := func() {
		t.Helper()
		if _, err := p.Fetch(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
	}
	fetch()
	fetch()
	if n := d.Count("POST /v1/auth"); n != 3 {
		t.Errorf("%d steps for one session, want 3", n)
	}
	d.Forget()
	fetch()
	if n := d.Count("POST /v1/auth"); n != 6 {
		t.Errorf("%d steps for two sessions, want 6", n)
	}
	service := d.machine(func(o *kanidm.Options) { o.Token = secret("service") })
	if _, err := service.Fetch(t.Context(), "bob"); err != nil || d.Count("POST /v1/auth") != 6 {
		t.Error("a service account's token:", err)
	}
	revoked := d.machine(func(o *kanidm.Options) { o.Token = secret("revoked") })
	var why *provider.CauseError // what status and doctor name, with a mend that fits
	if _, err := revoked.Fetch(t.Context(), "bob"); !errors.Is(err, provider.ErrRefusedMachine) || !errors.As(err, &why) || why.Cause != trouble.TokenRefused {
		t.Error("a token that is not accepted:", err)
	}
}

// Promise kanidm-answers.
func TestNoNameLeadsToAnotherPlaceOnTheServer(t *testing.T) {
	d := newRig(t)
	p := d.machine(func(o *kanidm.Options) { o.Token = secret("service") })
	for _, name := range []identity.Name{"", "..", ".", "a/../bob", "bob%2f..", `a\bob`} {
		if _, err := p.Fetch(t.Context(), name); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n := d.Count(""); n != 0 {
		t.Errorf("%d requests", n)
	}
}
