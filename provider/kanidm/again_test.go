package kanidm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// stepsUp is a scenario: how many steps a proof took tells which way it went.
func stepsUp(t *testing.T, s place) {
	name, _, password := s.who()
	p := s.machine(stepped)
	first := s.code()
	r, err := login(t, p, name, given{identity.Password, password}, given{identity.TOTP, first})
	allowed(t, r, err)
	stepsUp := func(sentence string, want provider.Outcome, message string, again, steps int, answers ...given) {
		t.Helper()
		reauth, auth := s.Count("POST /v1/reauth"), s.Count("POST /v1/auth")
		r, err := stepUp(t, p, name, answers...)
		if err != nil || r.Outcome != want || !strings.Contains(r.Message, message) {
			t.Fatalf("%s: outcome %d, %q, %v", sentence, r.Outcome, r.Message, err)
		}
		if want == provider.Allow && fmt.Sprint(r.Session.Methods) != "[password totp]" {
			t.Errorf("%s: it proved %v", sentence, r.Session.Methods)
		}
		if n, m := s.Count("POST /v1/reauth")-reauth, s.Count("POST /v1/auth")-auth; n != again || m != steps {
			t.Errorf("%s: %d reauthentications and %d steps, want %d and %d", sentence, n, m, again, steps)
		}
	}
	right := given{identity.Password, password}
	code := func() given { return given{identity.TOTP, s.code()} }
	stepsUp("everything right", provider.Allow, "", 1, 2, right, code())
	stepsUp("the password alone", provider.Continue, "", 1, 0, right)
	stepsUp("a wrong password", provider.Deny, identity.Refused, 1, 2, given{identity.Password, "no " + password}, code())
	stepsUp("right once more", provider.Allow, "", 1, 2, right, code())
	s.renew()
	stepsUp("with another generator, a whole sign-in", provider.Allow, "", 1, 4, right, code())
	stepsUp("and then again from that", provider.Allow, "", 1, 2, right, code())
	s.expire(true)
	stepsUp("expired", provider.Deny, "expired", 1, 1, right, given{identity.TOTP, "000000"})
	s.expire(false)
	stepsUp("and no more", provider.Allow, "", 0, 4, right, code())
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// told is what a server answered.
type told struct {
	status  int
	text    string
	session string
	State   map[string]any
}

// serverSays asks the server itself.
func serverSays(t *testing.T, s place, method, path, bearer, session string, body any) told {
	t.Helper()
	at, client := s.server()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, at+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if session != "" {
		req.Header.Set("X-KANIDM-AUTH-SESSION-ID", session)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := told{status: resp.StatusCode, text: strings.TrimSpace(string(text)), session: resp.Header.Get("X-KANIDM-AUTH-SESSION-ID")}
	_ = json.Unmarshal(text, &a) // an error is its name only
	return a
}

// opens goes through an authentication, and returns the bearer.
func opens(t *testing.T, s place, name, mech string, privileged bool, credentials ...any) string {
	t.Helper()
	a := serverSays(t, s, "POST", "/v1/auth", "", "", step{"init2": step{"username": name, "issue": "token", "privileged": privileged}}.body())
	a = serverSays(t, s, "POST", "/v1/auth", "", a.session, step{"begin": mech}.body())
	for _, c := range credentials {
		a = serverSays(t, s, "POST", "/v1/auth", "", a.session, step{"cred": c}.body())
	}
	bearer, _ := a.State["success"].(string)
	if bearer == "" {
		t.Fatalf("%s opens no session: %d %s", name, a.status, a.text)
	}
	return bearer
}

// written waits until the server has written a person's session down, which it does
// after it has told of it.
func written(t *testing.T, s place, bearer string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for serverSays(t, s, "POST", "/v1/reauth", bearer, "", "token").text == `"invalidstate"` {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("it never does")
		}
	}
	return bearer
}

type step map[string]any

func (s step) body() any { return map[string]any{"step": s} }

// reauthenticates is a scenario of the server alone: what /v1/reauth answers to whom,
// word by word, for all that package kanidm makes of it rests on that.
func reauthenticates(t *testing.T, s place) {
	name, _, password := s.who()
	code, err := strconv.Atoi(s.code())
	if err != nil {
		t.Fatal(err)
	}
	right := []any{step{"totp": code}, step{"password": password}}
	bearer := written(t, s, opens(t, s, string(name), "passwordmfa", false, right...))
	reauth := func(bearer string) told {
		t.Helper()
		return serverSays(t, s, "POST", "/v1/reauth", bearer, "", "token")
	}
	answers := func(sentence string, a told, status int, text string) {
		t.Helper()
		if a.status != status || !strings.Contains(a.text, text) {
			t.Errorf("%s: %d %s; want %d %s", sentence, a.status, a.text, status, text)
		}
	}
	answers("without a bearer", reauth(""), 401, `"notauthenticated"`)
	answers("with another", reauth("garbage"), 401, `"notauthenticated"`)
	answers("the anonymous session", reauth(opens(t, s, "anonymous", "anonymous", false, "anonymous")), 500, `"invalidstate"`)
	answers("one opened with privileges", reauth(written(t, s, opens(t, s, string(name), "passwordmfa", true, right...))), 500, `"sessionmaynotreauth"`)

	begun := reauth(bearer)
	answers("a person's", begun, 200, `"continue":["totp"]`)
	if begun.session == "" {
		t.Error("it names no session to go on with")
	}
	begun = serverSays(t, s, "POST", "/v1/auth", "", begun.session, step{"cred": right[0]}.body())
	answers("the code", begun, 200, `"continue":["password"]`)
	begun = serverSays(t, s, "POST", "/v1/auth", "", begun.session, step{"cred": right[1]}.body())
	answers("the password", begun, 200, `"success"`)
	privileged, _ := begun.State["success"].(string)
	if begun.session != "" {
		t.Error("it names a session that is over")
	}
	answers("what comes of it is of the same session", reauth(privileged), 200, `"continue":["totp"]`)

	s.expire(true)
	answers("expired", reauth(bearer), 401, `"sessionexpired"`)
	s.expire(false)
	answers("and no more", reauth(bearer), 200, `"continue":["totp"]`)
	answers("the end of one", serverSays(t, s, "GET", "/v1/logout", privileged, "", nil), 200, "null")
	answers("is the end of the other", reauth(bearer), 401, `"sessionexpired"`)

	bearer = written(t, s, opens(t, s, string(name), "passwordmfa", false, right...))
	s.renew()
	answers("other credentials", reauth(bearer), 401, `"sessionexpired"`)
	if code, err = strconv.Atoi(s.code()); err != nil {
		t.Fatal(err)
	}
	bearer = written(t, s, opens(t, s, string(name), "passwordmfa", false, step{"totp": code}, step{"password": password}))
	begun = reauth(bearer)
	answers("a wrong code", serverSays(t, s, "POST", "/v1/auth", "", begun.session, step{"cred": step{"totp": 1_000_001}}.body()), 200, `"denied":"incorrect totp"`)
	answers("and on from there", serverSays(t, s, "POST", "/v1/auth", "", begun.session, step{"cred": step{"totp": code}}.body()), 500, `"au0001invalidstate"`)
}
