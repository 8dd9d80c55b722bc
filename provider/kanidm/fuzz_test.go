package kanidm //nolint:testpackage // what reads answers is not exported

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
)

// says answers one request after the other with what is in it, and the last for ever.
type says [][]byte

func (s *says) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	body := (*s)[0]
	if len(*s) > 1 {
		*s = (*s)[1:]
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{authSession: {"s"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func fuzzed(f *testing.F, stepped bool) *Provider {
	f.Helper()
	d := double.New(f)
	p, err := New(Options{
		URL: d.URL, Realm: "r", RootPEM: d.CA(), MachineKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		MachineID: uuid.MustParse("11111111-1111-4111-8111-111111111111"), Memory: provider.Forgetful{}, Token: identity.NewSecret([]byte("t")), Stepped: stepped,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.Close() })
	return p
}

const bobsToken = `{"name":"bob","spn":"bob@r","displayname":"Bob","gidnumber":70001,"uuid":"0b0b0b0b-0000-4000-8000-000000000001","shell":"/bin/sh",` +
	`"groups":[{"name":"bob","spn":"bob@r","uuid":"0b0b0b0b-0000-4000-8000-000000000001","gidnumber":70001}],"sshkeys":["ssh-ed25519 AAAA x"],"valid":true}`

// FuzzAccount: whatever the server answers, it becomes a token that verifies and says
// what the answer said of the one who was asked for, or an error.
// Promise kanidm-odd-answers.
func FuzzAccount(f *testing.F) {
	p := fuzzed(f, false)
	for _, s := range []string{
		bobsToken, `null`, ` null `, `{}`, `[]`, `"nomatchingentries"`, `{"name":"bob","uuid":null}`,
		`{"name":"bob","uuid":"0b0b0b0b-0000-4000-8000-000000000001","groups":[{}]}`,
		`{"name":"../x","uuid":"0b0b0b0b-0000-4000-8000-000000000001","gidnumber":0,"groups":[{"gidnumber":4294967295}],"valid":true}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p.http = &http.Client{Transport: &says{body}}
		r, err := p.Fetch(t.Context(), "bob")
		if err != nil {
			return
		}
		var said struct {
			Valid bool
			UUID  uuid.UUID
		}
		if err := json.Unmarshal(body, &said); err != nil {
			t.Fatal("taken, and no account:", err)
		}
		if a := r.Token.Account; a.Name != "bob" || a.UUID != said.UUID || (r.Token.State == identity.Active) != said.Valid {
			t.Errorf("%s became %+v", body, r.Token)
		}
		if r.Signed == nil {
			return // it breaks a rule, and the resolver refuses it by name
		}
		if back, err := p.Verify(r.Signed); err != nil || back.Account.UUID != said.UUID {
			t.Errorf("signed, and does not verify: %v", err)
		}
	})
}

// FuzzGroup: whatever the server answers, it becomes the group that was asked for, in a
// token that verifies or that breaks a rule, or an error.
// Promise groups-on-demand-rules.
func FuzzGroup(f *testing.F) {
	p := fuzzed(f, false)
	for _, s := range []string{
		`{"name":"crew","spn":"crew@r","uuid":"0b0b0b0b-0000-4000-8000-00000000000a","gidnumber":70100}`, bobsToken, `null`, `{}`, `[]`,
		`{"name":"crew","uuid":null}`, `{"name":"crew","uuid":"0b0b0b0b-0000-4000-8000-00000000000a","gidnumber":0}`,
		`{"name":"crew","uuid":"0b0b0b0b-0000-4000-8000-00000000000a","gidnumber":4294967296}`,
		`{"name":"other","uuid":"0b0b0b0b-0000-4000-8000-00000000000a","gidnumber":70100}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p.http = &http.Client{Transport: &says{body}}
		r, err := p.FetchGroup(t.Context(), "crew")
		if err != nil {
			return
		}
		var said struct {
			UUID      uuid.UUID
			GIDNumber uint32
		}
		if err := json.Unmarshal(body, &said); err != nil {
			t.Fatal("taken, and no group:", err)
		}
		if g := r.Token.Group; g.Name != "crew" || g.UUID != said.UUID || g.GID != said.GIDNumber {
			t.Errorf("%s became %+v", body, r.Token)
		}
		if r.Signed == nil {
			if r.Token.Validate() == nil {
				t.Error("not signed, and it breaks no rule")
			}
			return
		}
		if back, err := p.VerifyGroup(r.Signed); err != nil || back.Group.UUID != said.UUID {
			t.Errorf("signed, and does not verify: %v", err)
		}
	})
}

// FuzzAuthentication: whatever the server answers to the steps of an authentication,
// only its "success" and then a valid account of that name is a yes.
// Promise kanidm-odd-answers.
func FuzzAuthentication(f *testing.F) {
	p := fuzzed(f, true)
	const choose, success = `{"sessionid":"s","state":{"choose":["password"]}}`, `{"state":{"success":"bearer"}}`
	for _, s := range [][4]string{
		{choose, `{"state":{"continue":["password"]}}`, success, bobsToken},
		{choose, `{"state":{"continue":["password"]}}`, `{"state":{"denied":"no"}}`, bobsToken},
		{choose, success, success, `null`},
		{choose, success, success, strings.Replace(bobsToken, "true", "false", 1)},
		{choose, success, success, strings.ReplaceAll(bobsToken, "bob", "eve")},
		{choose, `{"state":null}`, `{"state":{"success":""}}`, bobsToken},
		{choose, `{"state":{"denied":null}}`, `{"state":{"success":"x","denied":"both"}}`, bobsToken},
		{`{"state":{"choose":["passkey","passwordmfa","passwordbackupcode"]}}`, `{"state":{"external":{}}}`, `{}`, `{}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]), []byte(s[3]))
	}
	f.Fuzz(func(t *testing.T, init, begin, cred, account []byte) {
		p.http = &http.Client{Transport: &says{init, begin, cred, account}}
		x, r, err := p.Begin(t.Context(), provider.Attempt{Name: "bob"})
		if err != nil || r.Outcome != provider.Continue {
			return
		}
		if r, err = x.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: identity.NewSecret([]byte("secret"))}); err != nil || r.Outcome != provider.Allow {
			return
		}
		if !bytes.Contains(bytes.ToLower(append(bytes.Clone(begin), cred...)), []byte("success")) && !bytes.ContainsRune(append(bytes.Clone(begin), cred...), '\\') {
			t.Errorf("%s and %s are a yes", begin, cred)
		}
		if r.Record.Token.Account.Name != "bob" || r.Record.Token.State != identity.Active || r.Session.Account != r.Record.Token.Account.UUID {
			t.Errorf("let in: %+v", r.Record.Token)
		}
	})
}

// FuzzReauthentication: whatever the server answers to who proves themselves again, only
// a "success" after the password, and then the account whose session was kept, is a yes.
// Promise kanidm-step-up.
func FuzzReauthentication(f *testing.F) {
	p := fuzzed(f, true)
	const ask, success = `{"state":{"continue":["password"]}}`, `{"state":{"success":"bearer"}}`
	eve := strings.Replace(bobsToken, "0b0b0b0b", "0e0e0e0e", 1)
	for _, s := range [][3]string{
		{ask, success, bobsToken},
		{ask, `{"state":{"denied":"incorrect password"}}`, bobsToken},
		{ask, success, eve},
		{ask, success, `null`},
		{`{"state":{"success":"bearer"}}`, success, bobsToken},
		{`{"state":{"success":"bearer","continue":["password"]}}`, `{"state":{}}`, bobsToken},
		{`{"state":{"continue":[{"passkey":{}},null,1,"password"]}}`, success, bobsToken},
		{`{"state":{"denied":"Credential is temporarily locked"}}`, success, bobsToken},
		{`{"state":{"denied":null}}`, `{"state":{"success":"x","denied":"both"}}`, bobsToken},
		{`{"state":{"choose":["password"]}}`, `null`, `{}`},
		{`"invalidstate"`, ``, `{}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, begin, cred, account []byte) {
		bob := kept{account: uuid.MustParse("0b0b0b0b-0000-4000-8000-000000000001"), name: "bob", bearer: identity.NewSecret([]byte("bearer"))}
		p.kept.replace(bob)
		p.http = &http.Client{Transport: &says{begin, cred, account}}
		x, r, err := p.Begin(t.Context(), provider.Attempt{Name: "bob", StepUp: true})
		if err != nil || r.Outcome != provider.Continue {
			return
		}
		again := x.(*exchange).steps.again != nil
		if r, err = x.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: identity.NewSecret([]byte("secret"))}); err != nil || r.Outcome != provider.Allow {
			return
		}
		if again && (!bytes.Contains(bytes.ToLower(cred), []byte("success")) && !bytes.ContainsRune(cred, '\\') || r.Session.Account != bob.account) {
			t.Errorf("%s and %s are a yes for %s", begin, cred, r.Session.Account)
		}
		if r.Record.Token.Account.Name != "bob" || r.Record.Token.State != identity.Active {
			t.Errorf("let in: %+v", r.Record.Token)
		}
	})
}
