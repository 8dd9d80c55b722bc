package kanidm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
)

// stepUp is login for somebody who is signed in.
func stepUp(t testing.TB, p *kanidm.Provider, name identity.Name, answers ...given) (provider.Reply, error) {
	t.Helper()
	return attempt(t, p, provider.Attempt{Name: name, Service: "sudo", StepUp: true}, answers...)
}

// Bob's, when he has all that a terminal serves.
var (
	right  = given{identity.Password, "battery staple"}
	wrong  = given{identity.Password, "wrong"}
	code   = given{identity.TOTP, "012345"}
	badOne = given{identity.TOTP, "999999"}
	backup = given{identity.BackupCode, "abcd-efgh"}
)

func two(p *person) { p.TOTP, p.Backup = "012345", "abcd-efgh" }

func allowed(t testing.TB, r provider.Reply, err error) {
	t.Helper()
	if err != nil || r.Outcome != provider.Allow {
		t.Fatal(r.Outcome, r.Message, err)
	}
}

// signedIn is a machine where Bob has signed in by password and code.
func signedIn(t testing.TB) (*rig, *kanidm.Provider) {
	t.Helper()
	d := newRig(t)
	d.With(two)
	p := d.machine(stepped)
	r, err := login(t, p, "bob", right, code)
	allowed(t, r, err)
	return d, p
}

// onReauth answers that one call so.
func onReauth(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/reauth" {
			return false
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// Promise kanidm-step-up.
func TestAStepUpGoesOnFromTheSignInAndAPlainLoginDoesNot(t *testing.T) {
	for name, give := range map[string][]given{"password": {right}, "password and code": {right, code}} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t)
			if len(give) > 1 {
				d.With(two)
			}
			p := d.machine(stepped)
			for i, c := range []struct {
				again bool
				want  int
			}{{true, 0}, {true, 1}, {true, 2}, {false, 2}, {true, 3}} {
				how := login
				if c.again {
					how = stepUp
				}
				r, err := how(t, p, "bob", give...)
				allowed(t, r, err)
				if n := d.Reauthenticated(); n != c.want || d.Sessions("bob") != 1 {
					t.Errorf("%d: %d reauthentications, want %d; %d sessions, want 1", i, n, c.want, d.Sessions("bob"))
				}
				if len(r.Session.Methods) != len(give) || r.Session.Account != bobID {
					t.Errorf("%d: it proved %v", i, r.Session.Methods)
				}
			}
		})
	}
}

func TestByThePOSIXPasswordAStepUpIsASignIn(t *testing.T) {
	d := newRig(t)
	p := d.machine(func(o *kanidm.Options) { o.Token = secret("service") })
	for range 2 {
		r, err := stepUp(t, p, "bob", given{identity.Password, "correct horse"})
		allowed(t, r, err)
	}
	if n := d.Count("POST /v1/auth") + d.Count("POST /v1/reauth"); n != 0 {
		t.Errorf("%d steps of Kanidm's own authentication", n)
	}
}

// TestEveryStepUpComesOutAsItShould: after a sign-in by password and code something
// happens; then somebody steps up, and once more with everything right.
// Promise kanidm-step-up.
func TestEveryStepUpComesOutAsItShould(t *testing.T) {
	both := []given{right, code}
	newOnes := func(p *person) { p.Password, p.TOTP = "another staple", "543210" }
	for name, c := range map[string]struct {
		happens func(*rig)
		before  func(http.ResponseWriter, *http.Request) bool
		give    []given
		want    provider.Outcome
		err     error
		message string
		proved  string
		again   int // reauthentications, then and with the next step-up
	}{
		"nothing":                        {give: both, want: provider.Allow, again: 2},
		"a wrong password":               {give: []given{wrong, code}, message: "Sign-in refused.", again: 1},
		"a wrong code":                   {give: []given{right, badOne}, message: "Wrong code", again: 1},
		"no number":                      {give: []given{right, {identity.TOTP, "abc"}}, message: "digits", again: 1},
		"the password alone":             {give: []given{right}, want: provider.Continue, again: 1},
		"the code first":                 {give: []given{code}, again: 1},
		"a backup code":                  {give: []given{right, backup}, want: provider.Allow, proved: "password backup-code"},
		"a wrong backup code":            {give: []given{right, {identity.BackupCode, "none"}}, message: "Wrong code", again: 1},
		"softly locked":                  {happens: func(d *rig) { d.With(func(p *person) { p.Locked = true }) }, give: both, message: "locked this account for a moment", again: 1},
		"a restart of the server":        {happens: func(d *rig) { d.Restart() }, give: both, want: provider.Allow, again: 2},
		"the session has ended":          {happens: func(d *rig) { d.Forget() }, give: both, want: provider.Allow, again: 1},
		"other credentials":              {happens: func(d *rig) { d.With(newOnes) }, give: []given{{identity.Password, "another staple"}, {identity.TOTP, "543210"}}, want: provider.Allow},
		"other credentials, the old":     {happens: func(d *rig) { d.With(newOnes) }, give: both, message: "Wrong code"},
		"expired":                        {happens: func(d *rig) { d.With(func(p *person) { p.Invalid = true }) }, give: both, message: "expired"},
		"removed":                        {happens: func(d *rig) { d.With(func(p *person) { p.Removed = true }) }, give: both, err: provider.ErrNotFound},
		"another's name by now":          {happens: (*rig).taken, give: both, message: "another account's", again: 1},
		"no such call":                   {before: onReauth(404, "404 page not found"), give: both, want: provider.Allow, again: 1},
		"no such account, it says":       {before: onReauth(404, `"nomatchingentries"`), give: both, want: provider.Allow, again: 1},
		"no account, it says":            {before: onReauth(500, `{"invalidaccountstate":"no account"}`), give: both, want: provider.Allow, again: 1},
		"forbidden":                      {before: onReauth(403, `"accessdenied"`), give: both, want: provider.Allow, again: 1},
		"not authenticated":              {before: onReauth(401, `"notauthenticated"`), give: both, want: provider.Allow, again: 1},
		"not written down yet":           {before: onReauth(500, `"invalidstate"`), give: both, want: provider.Allow, again: 1},
		"it may not":                     {before: onReauth(500, `"sessionmaynotreauth"`), give: both, want: provider.Allow, again: 1},
		"denied":                         {before: onReauth(200, `{"state":{"denied":"invalid credential message"}}`), give: both, want: provider.Allow, again: 1},
		"it asks for a passkey":          {before: onReauth(200, `{"state":{"continue":[{"passkey":{}}]}}`), give: both, want: provider.Allow, again: 1},
		"it asks for something else":     {before: onReauth(200, `{"state":{"continue":["securitykey"]}}`), give: both, want: provider.Allow, again: 1},
		"it asks for nothing":            {before: onReauth(200, `{"state":{"continue":[]}}`), give: both, want: provider.Allow, again: 1},
		"it asks for the password alone": {before: onReauth(200, `{"state":{"continue":["password"]}}`), give: both, want: provider.Allow, again: 1},
		"a yes and a question at once":   {before: onReauth(200, `{"state":{"success":"bearer","continue":["totp"]}}`), give: []given{wrong, code}, err: provider.ErrOffline, again: 1},
		"it says yes at once":            {before: onReauth(200, `{"state":{"success":"bearer"}}`), give: both, want: provider.Allow, again: 1},
		"a proxy":                        {before: onReauth(502, "bad gateway"), give: both, err: provider.ErrOffline, again: 1},
		"a fault of the server's":        {before: onReauth(500, `"sqlite"`), give: both, err: provider.ErrOffline, again: 1},
		"a page":                         {before: onReauth(200, "<html>"), give: both, err: provider.ErrOffline, again: 1},
		"no state":                       {before: onReauth(200, `{}`), give: both, err: provider.ErrOffline, again: 1},
	} {
		t.Run(name, func(t *testing.T) {
			d, p := signedIn(t)
			if c.happens != nil {
				c.happens(d)
			}
			d.Before = c.before
			r, err := stepUp(t, p, "bob", c.give...)
			if !errors.Is(err, c.err) || r.Outcome != c.want || !strings.Contains(r.Message, c.message) {
				t.Fatalf("outcome %d, %q, %v; want %d, %q, %v", r.Outcome, r.Message, err, c.want, c.message, c.err)
			}
			if r.Outcome == provider.Allow {
				proved := strings.Trim(fmt.Sprint(r.Session.Methods), "[]")
				if want := c.proved; proved != want && (want != "" || proved != "password totp") {
					t.Errorf("it proved %s", proved)
				}
				if !identity.Enough(r.Record.Token.Held(), r.Session.Methods) {
					t.Errorf("held %v, proved %v: not enough for a login", r.Record.Token.Held(), r.Session.Methods)
				}
			}
			if n := d.Sessions("bob"); n > 1 {
				t.Errorf("%d sessions are left on the server", n)
			}
			d.Before = nil
			d.With(func(p *person) { p.Locked = false })
			if _, err := stepUp(t, p, "bob", both...); err != nil && c.err != provider.ErrNotFound { //nolint:errorlint // of the table
				t.Error("once more:", err)
			}
			if n := d.Reauthenticated(); n != c.again {
				t.Errorf("%d reauthentications, want %d", n, c.again)
			}
		})
	}
}

// A server that is content with less than it was told to ask for proves less.
// Promise kanidm-step-up.
func TestAYesBeforeEverythingWasSentIsNone(t *testing.T) {
	for name, how := range map[string]func(testing.TB, *kanidm.Provider, identity.Name, ...given) (provider.Reply, error){"a login": login, "a step-up": stepUp} {
		t.Run(name, func(t *testing.T) {
			d, p := signedIn(t)
			d.Before = func(w http.ResponseWriter, r *http.Request) bool {
				b, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(b))
				if !strings.Contains(string(b), `"totp":`) {
					return false
				}
				_, _ = w.Write([]byte(`{"state":{"success":"bearer"}}`))
				return true
			}
			if r, err := how(t, p, "bob", wrong, badOne); !errors.Is(err, provider.ErrOffline) || r.Outcome == provider.Allow {
				t.Error(r.Outcome, err)
			}
		})
	}
}

// moody is a memory that fails once when it is told to.
type moody struct {
	providertest.Memory
	fails atomic.Bool
}

func (m *moody) Recall(ctx context.Context, key string) ([]byte, error) {
	if m.fails.Swap(false) {
		return nil, errors.New("disk on fire")
	}
	return m.Memory.Recall(ctx, key)
}

func TestAPasswordAloneIsNotEnoughWhereTheNeedIsUnknown(t *testing.T) {
	d := newRig(t)
	m := &moody{}
	p := d.machine(func(o *kanidm.Options) { o.Stepped, o.Memory = true, m })
	r, err := login(t, p, "bob", right)
	allowed(t, r, err)
	m.fails.Store(true)
	r, err = stepUp(t, p, "bob", right)
	allowed(t, r, err)
	if d.Reauthenticated() != 0 || d.Sessions("bob") != 1 {
		t.Errorf("%d reauthentications, %d sessions", d.Reauthenticated(), d.Sessions("bob"))
	}
}

// taken: Bob is called something else by now, and another has his name.
func (d *rig) taken() {
	d.With(func(p *person) { p.Name = "robert" })
	d.Add(&person{Name: "bob", UID: 70009, UUID: uuid.New(), Password: "eve's", TOTP: "111111"})
}

// Promise kanidm-step-up.
func TestAnotherWhoHasTheNameByNowIsNotLetInByWhoHadIt(t *testing.T) {
	d, p := signedIn(t)
	d.taken()
	if r, err := stepUp(t, p, "bob", right, code); err != nil || r.Outcome != provider.Deny {
		t.Error(r.Outcome, err)
	}
	if r, err := stepUp(t, p, "bob", right, code); err != nil || r.Outcome != provider.Deny {
		t.Error("once more:", r.Outcome, err)
	}
	r, err := stepUp(t, p, "bob", given{identity.Password, "eve's"}, given{identity.TOTP, "111111"})
	allowed(t, r, err)
	if r.Session.Account == bobID {
		t.Error("the session is of who had the name before")
	}
}

// Promise kanidm-step-up.
func TestASignInByBackupCodeKeepsNoSession(t *testing.T) {
	d, p := signedIn(t)
	r, err := login(t, p, "bob", right, backup)
	allowed(t, r, err)
	if n := d.Sessions("bob"); n != 0 {
		t.Errorf("%d sessions are left on the server", n)
	}
	r, err = stepUp(t, p, "bob", right, code)
	allowed(t, r, err)
	if d.Reauthenticated() != 0 {
		t.Error("a session was kept")
	}
}

func TestWhoHasNoBackupCodeIsToldSoAndMayTryAgain(t *testing.T) {
	d := newRig(t)
	d.With(func(p *person) { p.TOTP = "012345" })
	p := d.machine(stepped)
	r, err := login(t, p, "bob", right, code)
	allowed(t, r, err)
	if r, err := stepUp(t, p, "bob", right, backup); err != nil || r.Outcome != provider.Deny || !strings.Contains(r.Message, "no backup codes") {
		t.Error(r.Outcome, r.Message, err)
	}
	r, err = stepUp(t, p, "bob", right, code)
	allowed(t, r, err)
	if d.Reauthenticated() != 1 {
		t.Error("the session is gone")
	}
}

// Promise kanidm-step-up.
func TestAStepUpThatTheServerLosesIsOfflineAndTheSessionIsKept(t *testing.T) {
	d, p := signedIn(t)
	x, r, err := p.Begin(t.Context(), provider.Attempt{Name: "bob", StepUp: true})
	if err != nil || r.Outcome != provider.Continue {
		t.Fatal(r, err)
	}
	if _, err = x.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret(right.text)}); err != nil {
		t.Fatal(err)
	}
	d.Restart()
	_, err = x.Step(t.Context(), provider.Answer{Kind: identity.TOTP, Credential: secret(code.text)})
	if !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrNotFound) {
		t.Error(err)
	}
	r, err = stepUp(t, p, "bob", right, code)
	allowed(t, r, err)
	if d.Reauthenticated() != 1 {
		t.Error("the session is gone")
	}
	d.Close()
	if _, err := stepUp(t, p, "bob", right, code); !errors.Is(err, provider.ErrOffline) {
		t.Error("away:", err)
	}
	if err := d.Return(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err = stepUp(t, p, "bob", right, code)
	allowed(t, r, err)
	if d.Reauthenticated() != 2 {
		t.Error("the session is gone after a time without the server")
	}
}

// Promise kanidm-step-up.
func TestTheSessionsThatAreKeptEndWithTheProvider(t *testing.T) {
	d, p := signedIn(t)
	if n := d.Sessions("bob"); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := d.Sessions("bob"); n != 0 {
		t.Errorf("%d sessions are left on the server", n)
	}
	r, err := login(t, p, "bob", right, code)
	allowed(t, r, err)
	if n := d.Sessions("bob"); n != 0 {
		t.Errorf("%d sessions are left after the end", n)
	}
}

// Promise kanidm-step-up.
func TestManyStepUpAtOnceAndEachIsTheirOwn(t *testing.T) {
	d, p := signedIn(t)
	names := []string{"bob"}
	for i := range 4 {
		names = append(names, fmt.Sprint("p", i))
		d.Add(&double.Person{Name: names[i+1], UID: uint32(70010 + i), UUID: uuid.New(), Password: "of " + names[i+1]})
	}
	answers := func(name string) []given {
		if name == "bob" {
			return []given{right, code}
		}
		return []given{{identity.Password, "of " + name}}
	}
	var all sync.WaitGroup
	for i := range 60 {
		name, how := names[i%len(names)], stepUp
		if i%4 == 3 {
			how = login
		}
		all.Go(func() {
			if r, err := how(t, p, identity.Name(name), answers(name)...); err != nil || r.Outcome != provider.Allow || string(r.Record.Token.Account.Name) != name {
				t.Error(name, r.Outcome, r.Message, err)
			}
			if r, err := how(t, p, identity.Name(name), wrong); err != nil || r.Outcome == provider.Allow {
				t.Error(name, "with a wrong password:", r.Outcome, err)
			}
		})
	}
	all.Wait()
	for _, name := range names {
		if n := d.Sessions(name); n != 1 {
			t.Errorf("%d sessions of %s are left on the server, want 1", n, name)
		}
	}
	if d.Reauthenticated() == 0 {
		t.Error("nobody went on from a sign-in")
	}
}
