package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

const session = "__Host-sallyport"

func (b *browser) isSignedIn() bool {
	b.T.Helper()
	b.get(path)
	if b.page.status != http.StatusOK {
		b.T.Fatalf("status %d:\n%s", b.page.status, b.page.text)
	}
	return strings.Contains(b.page.text, "Signed in as")
}

// Promise console-session.
func TestASessionIsOneCookieOfThisHostAndEnds(t *testing.T) {
	r := newRig(t)
	r.TOTP()
	b := r.browser("192.0.2.1")
	planted := strings.Repeat("A", 43)
	b.putCookie(session, planted)
	b.putCookie(session+"-form", planted)
	b.get(path)
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.submit("sign-in", "name", "alice", "password", servertest.Right)
	proving := b.cookie()
	if set := b.page.header.Get("Set-Cookie"); b.page.status != http.StatusSeeOther || set != session+"="+proving+"; Path=/; HttpOnly; Secure; SameSite=Strict" || len(proving) != 43 {
		t.Errorf("status %d, cookie %q", b.page.status, set)
	}
	b.client.CheckRedirect = nil
	b.get(path)
	if b.post("find", b.form("code", "name", "bob")); b.page.status != http.StatusForbidden {
		t.Errorf("before the code: %d", b.page.status)
	}
	b.get(path)
	b.submit("code", "code", r.totpNow())
	if got := b.cookie(); got == proving || got == planted || proving == planted {
		t.Error("a cookie of before goes on")
	}
	if !b.isSignedIn() {
		t.Fatal("not signed in")
	}
	thief := r.browser("192.0.2.66")
	for what, value := range map[string]string{"planted": planted, "of before the code": proving, "changed": "x" + b.cookie()[1:]} {
		thief.putCookie(session, value)
		if thief.isSignedIn() {
			t.Errorf("a cookie that is %s is good", what)
		}
	}
	out, kept := b.form("sign-out"), b.cookie()
	b.post("sign-out", out)
	b.shows(http.StatusOK, "Sign in")
	if thief.putCookie(session, kept); thief.isSignedIn() || b.cookie() != "" {
		t.Error("the session goes on after signing out")
	}
	again := func() {
		t.Helper()
		r.passes(time.Minute)
		b.get(path)
		b.submit("sign-in", "name", "alice", "password", servertest.Right)
		b.submit("code", "code", r.totpNow())
		if !b.isSignedIn() {
			t.Fatal("not signed in again")
		}
	}
	again()
	r.passes(14 * time.Minute)
	if !b.isSignedIn() {
		t.Error("over after 14 minutes")
	}
	r.passes(15 * time.Minute)
	if b.isSignedIn() {
		t.Error("goes on after 15 minutes without a request")
	}
	again()
	for range 5 {
		r.passes(11 * time.Minute)
		b.get(path)
	}
	r.passes(5 * time.Minute)
	if b.isSignedIn() {
		t.Error("goes on after an hour")
	}
	again()
	for range 8 { // others of the same account, at other browsers
		r.passes(30 * time.Second)
		o := r.browser("192.0.2.9")
		o.get(path)
		o.submit("sign-in", "name", "alice", "password", servertest.Right)
		o.submit("code", "code", r.totpNow())
		o.shows(http.StatusOK, "Signed in")
	}
	if b.isSignedIn() {
		t.Error("a ninth session, and the first goes on")
	}
}

// Promise console-standing.
func TestASessionEndsWithWhatItWasMadeOf(t *testing.T) {
	r := newRig(t)
	renamed := func(from, to string) {
		r.Must(r.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: from, NewName: &to}))
	}
	disabled := func(yes bool) {
		r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "alice", Disabled: yes}))
	}
	b := r.browser("192.0.2.1")
	for _, c := range []struct {
		sentence     string
		change, back func()
	}{
		{"disabled", func() { disabled(true) }, func() { disabled(false) }},
		{"another password", func() { r.Password("alice", "another long password") }, func() { r.Password("alice", servertest.Right) }},
		{"another name", func() { renamed("alice", "alicia") }, func() { renamed("alicia", "alice") }},
		{"removed", func() { r.Must(r.Admin.RemoveAccount(t.Context(), servertest.Named("alice"))) }, func() {}},
	} {
		b.signsIn()
		b.submit("key", "do", "make")
		form := b.form("find", "name", "bob")
		c.change()
		b.post("find", form)
		if b.page.status != http.StatusForbidden || b.isSignedIn() || len(r.rows("verify.begin")) != 0 {
			t.Errorf("%s: the session goes on: %d", c.sentence, b.page.status)
		}
		c.back()
	}
}

// Promise console-sign-in.
func TestASignInIsJudgedAsALoginIs(t *testing.T) {
	r := newRig(t)
	b := r.browser("192.0.2.1")
	tries := func(name, password string) {
		t.Helper()
		b.get(path)
		b.submit("sign-in", "name", name, "password", password)
	}
	tries("alice", "wrong")
	b.shows(http.StatusForbidden, "the name, the password or the code is wrong")
	wrong, _, _ := strings.Cut(b.page.text, "token")
	tries("nobody", "wrong")
	if unknown, _, _ := strings.Cut(b.page.text, "token"); unknown != wrong {
		t.Errorf("an unknown name is told:\n%s", unknown)
	}
	tries("dora", servertest.Right)
	b.shows(http.StatusForbidden, "This account is disabled")
	tries("carol", "wrong")
	b.shows(http.StatusForbidden)
	tries("alice@example.org", servertest.Right)
	b.shows(http.StatusOK, "Signed in")
	b.submit("sign-out")
	tries("alice@example.com", servertest.Right)
	b.shows(http.StatusForbidden)
	r.passes(time.Minute)
	for range 5 {
		tries("alice", "wrong")
	}
	tries("alice", servertest.Right)
	b.shows(http.StatusForbidden, "too many wrong answers")
	near := r.browser("198.51.100.7") // has not signed in from there, and is not locked by another's guesses
	near.signsIn()
	if !r.LogsIn("alice", servertest.Right) {
		t.Error("guesses at the console lock her machine")
	}
	rows := strings.Join(r.rows("auth."), "\n")
	for _, want := range []string{
		`console auth.deny alice service="console" remote_host="192.0.2.1" origin="host 192.0.2.1" reason="password"`,
		`console auth.deny alice service="console" remote_host="192.0.2.1" origin="host 192.0.2.1" reason="locked"`,
		`console auth.allow alice service="console" remote_host="198.51.100.7" origin="host 198.51.100.7" proved="password"`,
	} {
		if !strings.Contains(rows, want) {
			t.Errorf("the audit log does not say %s:\n%s", want, rows)
		}
	}
	v, err := r.Admin.ShowAccount(t.Context(), servertest.Named("alice"))
	r.Must(nil, err)
	for sentence, at := range map[string]bool{
		"its place is not remembered": slices.ContainsFunc(v.GetPlaces(), func(p *v1.PlaceView) bool {
			return p.GetMachine() == "the console" && p.GetOrigin() == "host 198.51.100.7"
		}),
		"its failures are not named": slices.ContainsFunc(v.GetFailuresAt(), func(f *v1.FailureView) bool {
			return f.GetMachine() == "the console" && f.GetOrigin() == "host 192.0.2.1"
		}),
	} {
		if !at {
			t.Errorf("%s: %v", sentence, v)
		}
	}
}

// Promise console-sign-in.
func TestASignInTakesTheCodesOfALogin(t *testing.T) {
	r := newRig(t)
	r.TOTP()
	made, err := r.Admin.NewBackupCodes(t.Context(), servertest.Named("alice"))
	r.Must(nil, err)
	b := r.browser("192.0.2.1")
	signsIn := func(code string) {
		t.Helper()
		b.get(path)
		b.submit("sign-in", "name", "alice", "password", servertest.Right)
		b.shows(http.StatusOK, "backup codes")
		b.submit("code", "code", code)
	}
	signsIn("000000")
	b.shows(http.StatusForbidden, "is wrong")
	code := r.totpNow()
	signsIn(code)
	b.shows(http.StatusOK, "Signed in")
	b.submit("sign-out")
	signsIn(code)
	b.shows(http.StatusForbidden) // it was used
	backup := made.GetCodes()[0]
	signsIn(strings.ToUpper(backup))
	b.shows(http.StatusOK, "Signed in")
	b.submit("sign-out")
	signsIn(backup)
	b.shows(http.StatusForbidden)
	r.passes(time.Minute) // the address may try again
	b.get(path)
	b.submit("sign-in", "name", "alice", "password", servertest.Right)
	form := b.form("code", "code", r.totpNow())
	r.passes(2 * time.Minute)
	b.post("code", form)
	b.shows(http.StatusForbidden, "session is over")
}

// Promise console-sign-in.
func TestWhoCannotSignInByAFormIsTold(t *testing.T) {
	r := newRig(t)
	b := r.browser("192.0.2.1")
	b.get(path)
	b.shows(http.StatusOK, "smartcard alone")
	if strings.Contains(b.page.text, "do not type it") {
		t.Error("it speaks of OPAQUE where there is none")
	}
	on := true
	r.Must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{OpaquePasswords: &on}))
	b.get(path)
	b.shows(http.StatusOK, "do not type it")
	registered := "$opaque$v=1$AAAA$AAAA"
	id := r.Account("alice").UUID
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) error {
		is, err := tx.Password(id)
		r.Must(nil, err)
		return tx.Rehash(id, store.Password{PHC: registered, Epoch: is.Epoch})
	}))
	b.submit("sign-in", "name", "alice", "password", servertest.Right)
	b.shows(http.StatusForbidden, "do not type it", "wrong")
	r.Password("carol", "a password of hers")
	r.Must(r.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "carol", MustChange: &on}))
	b.get(path)
	b.submit("sign-in", "name", "carol", "password", "a password of hers")
	b.shows(http.StatusForbidden, "Your password must be changed")
}
