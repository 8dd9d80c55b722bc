package kanidm_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
)

// given is one answer.
type given struct {
	kind identity.FactorKind
	text string
}

// login goes through an authentication with what is given, in its order.
func login(t testing.TB, p *kanidm.Provider, name identity.Name, answers ...given) (provider.Reply, error) {
	t.Helper()
	return attempt(t, p, provider.Attempt{Name: name, Service: "login"}, answers...)
}

func attempt(t testing.TB, p *kanidm.Provider, a provider.Attempt, answers ...given) (provider.Reply, error) {
	t.Helper()
	x, r, err := p.Begin(t.Context(), a)
	for _, a := range answers {
		if err != nil || r.Outcome != provider.Continue {
			break
		}
		r, err = x.Step(t.Context(), provider.Answer{Kind: a.kind, Credential: secret(a.text)})
	}
	return r, err
}

func stepped(o *kanidm.Options) { o.Stepped = true }

// TestEveryWayToSignInComesOutAsItShould: what the account is, what is given, and
// whether the server's yes is one here.
// Promise otp-wrong-named, kanidm-login.
func TestEveryWayToSignInComesOutAsItShould(t *testing.T) {
	for name, c := range map[string]struct {
		posix   bool
		person  func(*person)
		give    []given
		want    provider.Outcome
		proved  string
		message string
	}{
		"POSIX password":              {posix: true, give: []given{{identity.Password, "correct horse"}}, want: provider.Allow, proved: "password"},
		"POSIX, wrong":                {posix: true, give: []given{wrong}, message: "refused"},
		"POSIX, the other password":   {posix: true, give: []given{right}, message: "refused"},
		"POSIX, none set":             {posix: true, person: func(p *person) { p.POSIX = "" }, give: []given{{identity.Password, ""}}, message: "refused"},
		"POSIX, expired":              {posix: true, person: func(p *person) { p.Invalid = true }, give: []given{{identity.Password, "correct horse"}}, message: "expired"},
		"POSIX, softly locked":        {posix: true, person: func(p *person) { p.Locked = true }, give: []given{{identity.Password, "correct horse"}}, message: "refused"},
		"password":                    {give: []given{right}, want: provider.Allow, proved: "password"},
		"wrong password":              {give: []given{wrong}, message: "Sign-in refused."},
		"the POSIX password, stepped": {give: []given{{identity.Password, "correct horse"}}, message: "Sign-in refused."},
		"softly locked":               {person: func(p *person) { p.Locked = true }, give: []given{right}, message: "locked this account for a moment"},
		"no credential, stepped":      {person: func(p *person) { p.Password, p.TOTP = "", "" }, give: []given{right}, message: "has no password or code at the server yet"},
		"expired, stepped":            {person: func(p *person) { p.Invalid = true }, give: []given{right}, message: "expired"},
		"a password, and a code due":  {person: two, give: []given{right}, want: provider.Continue},
		"password and code":           {person: two, give: []given{right, code}, want: provider.Allow, proved: "password totp"},
		"a code as apps show it":      {person: two, give: []given{right, {identity.TOTP, " 012 345"}}, want: provider.Allow, proved: "password totp"},
		"password and wrong code":     {person: two, give: []given{right, {identity.TOTP, "999999"}}, message: "Wrong code"},
		"password and no number":      {person: two, give: []given{right, {identity.TOTP, "abc"}}, message: "digits"},
		"wrong password, right code":  {person: two, give: []given{wrong, code}, message: "Sign-in refused."},
		"password and backup code":    {person: two, give: []given{right, backup}, want: provider.Allow, proved: "password backup-code"},
		"a code first":                {person: two, give: []given{code}},
		"a card":                      {person: two, give: []given{{identity.PIV, "x"}}},
		"passkeys only":               {person: func(p *person) { p.Passkey, p.Password = true, "" }, message: "passkey"},
		"nothing given":               {give: nil, want: provider.Continue},
	} {
		t.Run(name, func(t *testing.T) {
			d := newRig(t)
			if c.person != nil {
				d.With(c.person)
			}
			p := d.machine(func(o *kanidm.Options) { o.Stepped = !c.posix })
			r, err := login(t, p, "bob", c.give...)
			if err != nil || r.Outcome != c.want || !strings.Contains(r.Message, c.message) {
				t.Fatalf("outcome %d, %q, %v; want %d, %q", r.Outcome, r.Message, err, c.want, c.message)
			}
			if c.want != provider.Allow {
				return
			}
			var words []string
			for _, k := range r.Session.Methods {
				words = append(words, string(k))
			}
			if strings.Join(words, " ") != c.proved || r.Record.Token.Account.Name != "bob" {
				t.Errorf("it proved %v, of %s", words, r.Record.Token.Account.Name)
			}
			if err := r.Session.Check(bobID, box, time.Now(), time.Minute); err != nil {
				t.Error(err)
			}
			if since := time.Since(r.ServerTime); since > time.Minute || since < -time.Minute {
				t.Errorf("the server's clock is told as %v", r.ServerTime)
			}
			if !identity.Enough(r.Record.Token.Held(), r.Session.Methods) {
				t.Errorf("held %v, proved %v: not enough for a login", r.Record.Token.Held(), r.Session.Methods)
			}
			if len(r.Sealed) != 0 {
				t.Error("secrets came along")
			}
		})
	}
}

func TestWhoHoldsASecondFactorIsRemembered(t *testing.T) {
	d := newRig(t)
	d.With(func(p *person) { p.TOTP = "012345" })
	p := d.machine(stepped)
	if r, err := login(t, p, "bob", given{identity.Password, "battery staple"}, given{identity.TOTP, "012345"}); err != nil || r.Outcome != provider.Allow {
		t.Fatal(r.Message, err)
	}
	r, err := p.Fetch(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if _, held := r.Token.FactorEpoch(identity.TOTP); !held {
		t.Error("a lookup forgets the second factor")
	}
	d.With(func(p *person) { p.TOTP = "" })
	reply, err := login(t, p, "bob", given{identity.Password, "battery staple"})
	if err != nil || reply.Outcome != provider.Allow {
		t.Fatal(reply.Message, err)
	}
	if _, held := reply.Record.Token.FactorEpoch(identity.TOTP); held {
		t.Error("it is still there when the server asks for none")
	}
}

// Promise kanidm-answers.
func TestAServerThatRestartsDuringALoginIsOffline(t *testing.T) {
	d := newRig(t)
	d.With(func(p *person) { p.TOTP = "012345" })
	x, r, err := d.machine(stepped).Begin(t.Context(), provider.Attempt{Name: "bob"})
	if err != nil || r.Outcome != provider.Continue {
		t.Fatal(r, err)
	}
	if _, err = x.Step(t.Context(), provider.Answer{Kind: identity.Password, Credential: secret("battery staple")}); err != nil {
		t.Fatal(err)
	}
	d.Restart()
	_, err = x.Step(t.Context(), provider.Answer{Kind: identity.TOTP, Credential: secret("012345")})
	if !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrNotFound) {
		t.Error(err)
	}
	d.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-KANIDM-AUTH-SESSION-ID") == "" {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`"nomatchingentries"`))
		return true
	}
	_, err = login(t, d.machine(stepped), "bob", given{identity.Password, "battery staple"}, given{identity.TOTP, "012345"})
	if !errors.Is(err, provider.ErrOffline) || errors.Is(err, provider.ErrNotFound) {
		t.Error("no such session:", err)
	}
	d.Before = nil
	if _, _, err := d.machine(stepped).Begin(t.Context(), provider.Attempt{Name: "nobody"}); !errors.Is(err, provider.ErrNotFound) {
		t.Error("no such account:", err)
	}
}

// Promise kanidm-login.
func TestAnOfferIsAnsweredOnce(t *testing.T) {
	d := newRig(t)
	x, _, err := d.machine(stepped).Begin(t.Context(), provider.Attempt{Name: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	right := provider.Answer{Kind: identity.Password, Credential: secret("battery staple")}
	if r, err := x.Step(t.Context(), right); err != nil || r.Outcome != provider.Allow {
		t.Fatal(r, err)
	}
	if r, err := x.Step(t.Context(), right); err != nil || r.Outcome != provider.Deny {
		t.Error("the same step again:", r.Outcome, err)
	}
}
