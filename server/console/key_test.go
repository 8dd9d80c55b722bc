package console_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// Promise console-keys.
func TestAKeyIsHeldOnlyForWhoAsksForItJustNow(t *testing.T) {
	r := newRig(t)
	b := r.browser("192.0.2.1")
	b.signsIn()
	if strings.Contains(b.page.text, "/console/find") {
		t.Error("somebody without a key can begin a call")
	}
	form := b.form("key", "do", "make")
	r.set(true, false)
	b.post("key", form)
	b.shows(http.StatusBadRequest, "holds no keys")
	b.get(path)
	if b.shows(http.StatusOK, "does not let its server hold keys"); strings.Contains(b.page.text, "/console/key") {
		t.Error("a realm that allows none offers one")
	}
	r.set(true, true)
	r.passes(5 * time.Minute)
	b.get(path)
	if b.shows(http.StatusOK, "sign in anew"); strings.Contains(b.page.text, "/console/key") {
		t.Error("after five minutes a key is offered")
	}
	b.post("key", form)
	b.shows(http.StatusBadRequest, "within 5 minutes of a sign-in")
	b.get(path)
	b.submit("sign-out")
	b.signsIn()
	b.submit("key", "do", "make")
	first := r.key("alice")
	b.submit("key", "do", "make")
	if second := r.key("alice"); bytes.Equal(second.Public, first.Public) || second.Sealed == nil {
		t.Error("a new one is the old one, or is not held")
	}
	end := b.form("key", "do", "end")

	// A machine's takes its place, and stays.
	private := r.machineKey("alice")
	defer private.Wipe()
	own := r.key("alice")
	b.get(path)
	b.shows(http.StatusOK, "on your machine", "run <code>sallyport verify</code>", "cannot compute a code for you", `name="replace"`)
	for sentence, f := range map[string]func(){
		"ended":              func() { b.post("key", end) },
		"replaced":           func() { b.post("key", form) }, // of the other session
		"replaced unasked":   func() { b.submit("key", "do", "make") },
		"used":               func() { b.post("find", findForm(end)) },
		"asked, in no words": func() { b.submit("key", "do", "make", "replace", "on") },
	} {
		b.get(path)
		f()
		if k := r.key("alice"); b.page.status < 400 || !bytes.Equal(k.Public, own.Public) || k.Sealed != nil {
			t.Errorf("a machine's key is %s: status %d", sentence, b.page.status)
		}
	}
	b.get(path)
	b.submit("key", "do", "make", "replace", "my machine's key")
	b.shows(http.StatusOK, "at this realm's server")
	b.submit("key", "do", "end")
	b.shows(http.StatusOK, "You have none")

	// What the realm does not allow any more is over.
	b.submit("key", "do", "make")
	b.submit("find", "name", "bob")
	heard := b.form("heard", "code", r.bobSays())
	r.set(true, false)
	b.post("heard", heard)
	b.shows(http.StatusBadRequest, "You have no key")
	rows := r.rows("verify.")
	if last := rows[len(rows)-1]; !strings.HasSuffix(last, "verify.remove alice server-held") {
		t.Errorf("the last row is %s", last)
	}
	if bob := r.key("bob"); bob.Sealed != nil {
		t.Error("bob's is held")
	}
	view, err := r.Admin.ShowRealm(t.Context(), &v1.ShowRealmRequest{})
	r.Must(nil, err)
	if !view.GetConsole() || view.GetVerifyServerKeys() {
		t.Errorf("the realm is shown as %v", view)
	}
}

// findForm is a form to find bob, of the session that another form is of.
func findForm(of map[string][]string) map[string][]string {
	return map[string][]string{"token": of["token"], "name": {"bob"}}
}

// Promise console-warnings.
func TestTheConsoleWarnsAsAMachineDoes(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"b0b", "carla"} {
		r.Must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: name}))
		r.machineKey(name)
	}
	b := r.browser("192.0.2.1")
	finds := func(name string) {
		t.Helper()
		b.get(path)
		b.submit("find", "name", name)
		b.shows(http.StatusOK)
	}
	b.signsIn()
	b.submit("key", "do", "make")
	finds("bob")
	b.submit("heard", "code", r.bobSays())
	b.shows(http.StatusOK, "<b>Confirmed</b>", "You confirmed this key")
	finds("b0b")
	b.shows(http.StatusOK, "looks like that of bob")
	finds("carla")
	if strings.Contains(b.page.text, "looks like") {
		t.Error("carla looks like somebody")
	}
	finds("bob")
	stale := b.form("heard")
	r.bob = r.machineKey("bob")
	stale.Set("code", r.bobSays())
	b.post("heard", stale)
	b.shows(http.StatusBadRequest, "key has changed since it was shown")
	finds("bob")
	b.shows(http.StatusOK, "<b>Warning:</b> it is not the key that you confirmed")

	// A form of one call proves nothing about another person.
	form := b.form("heard", "code", r.bobSays())
	finds("carla")
	b.post("heard", form)
	b.shows(http.StatusBadRequest, "is of another call")

	// Somebody whose key is held as well is shown as such.
	r.Password("carol", "a password of hers")
	c := r.browser("192.0.2.2")
	c.get(path)
	c.submit("sign-in", "name", "carol", "password", "a password of hers")
	c.submit("key", "do", "make")
	finds("carol")
	b.shows(http.StatusOK, "The server of example.org holds this person's key as well")
	c.submit("find", "name", "alice")
	b.submit("heard", "code", c.said())
	b.shows(http.StatusOK, "<b>Confirmed</b>", "or controls the server of example.org")

	finds("bob")
	for range 5 {
		b.submit("heard", "code", other(r.bobSays()))
	}
	b.shows(http.StatusOK, "too many wrong codes", "cannot be verified by you until")
	if strings.Contains(b.page.text, `class="code"`) {
		t.Error("a code is said to somebody who is locked")
	}
	form = map[string][]string{"token": {b.form("sign-out").Get("token")}, "form": form["form"], "code": {r.bobSays()}}
	b.post("heard", form)
	if confirmed := r.rows("verify.confirm"); len(confirmed) != 2 {
		t.Errorf("%q", confirmed)
	}
	r.passes(5 * time.Minute)
	finds("bob")
	b.submit("heard", "code", r.bobSays())
	b.shows(http.StatusOK, "<b>Confirmed</b>")
}

// What one server has heard, another one knows: the form is one server's, the rest the realm's.
// Promise console-heard.
func TestACodeThatOneServerHeardIsUsedAtAnother(t *testing.T) {
	database, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Stop() })
	r := rigOn(t, database.Realm(t))
	b := r.browser("192.0.2.1")
	b.signsIn()
	b.submit("key", "do", "make")
	b.submit("find", "name", "bob")
	code := r.bobSays()
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "<b>Confirmed</b>")
	r.serve(r.Another())
	if b.isSignedIn() {
		t.Error("another server knows the session")
	}
	b.signsIn()
	b.submit("find", "name", "bob")
	b.shows(http.StatusOK, "You confirmed this key")
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "was heard before")
	if got := r.rows("verify.confirm"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	// A new key forgets neither.
	b.get(path)
	b.submit("key", "do", "make")
	b.submit("find", "name", "bob")
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "NOT CONFIRMED")
}
