package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/server/console"
)

const path = console.Path

// other is a code that is not this one.
func other(code string) string {
	return code[:8] + map[bool]string{true: "1", false: "0"}[code[8] == '0']
}

// Promise console-call.
func TestSomebodyWithoutAMachineVerifiesOneWhoHasOne(t *testing.T) {
	r := newRig(t)
	r.TOTP()
	b := r.browser("192.0.2.1")
	b.get(path)
	b.submit("sign-in", "name", "alice", "password", "correct horse battery")
	b.shows(http.StatusOK, "Type the code")
	b.submit("code", "code", r.totpNow())
	b.shows(http.StatusOK, "You have none", "the server can then make your codes itself")
	b.submit("key", "do", "make")
	b.shows(http.StatusOK, "at this realm's server", verify.Fingerprint(r.key("alice").Public))
	b.submit("find", "name", "bob@example.org")
	b.shows(http.StatusOK, "Bob Smith", "bob@example.org", verify.Fingerprint(r.key("bob").Public), "You have not confirmed this key before", "the server can make this code itself")
	bobs := r.bobsCall()
	if _, right, err := bobs.Hear(b.said(), r.Now()); err != nil || !right {
		t.Errorf("what she is to say is wrong at his machine: %v", err)
	}
	b.submit("heard", "code", b.said())
	b.shows(http.StatusOK, "NOT CONFIRMED")
	b.submit("heard", "code", "12")
	b.shows(http.StatusOK, "a code has 8 digits")
	code := r.bobSays()
	form := b.form("heard", "code", code)
	b.post("heard", form)
	b.shows(http.StatusOK, "Confirmed", "bob@example.org", "You confirmed this key")
	b.get(path + "call")
	if strings.Count(strings.Join(r.rows("verify.confirm"), "\n"), "confirm") != 1 {
		t.Error("the page that is shown anew has judged anew")
	}
	b.post("heard", form)
	b.shows(http.StatusBadRequest, "This form was used already")
	b.get(path + "call")
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "was heard before")
	want := []string{
		"console verify.set alice fingerprint=\"" + verify.Fingerprint(r.key("alice").Public) + "\" server-held",
		"console verify.begin alice with=bob", "console verify.fail alice with=bob", "console verify.confirm alice with=bob", "console verify.fail alice with=bob",
	}
	if got := r.rows("verify."); !slices.Equal(got, want) {
		t.Errorf("audit:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r.passes(time.Minute)
}

// Promise verify-about.
func TestACallOnTheConsoleIsAboutWhatBothType(t *testing.T) {
	r := newRig(t)
	b := r.browser("192.0.2.1")
	b.signsIn()
	b.submit("key", "do", "make")
	lunch := r.bobsCallAbout("lunch")
	code, _ := lunch.Say(r.Now())
	b.submit("find", "name", "bob", "about", "a new <account>")
	b.shows(http.StatusOK, "a new &lt;account&gt;")
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "NOT CONFIRMED", "then somebody sits between the two of you")
	b.get(path)
	b.submit("find", "name", "bob", "about", strings.Repeat("a", verify.MaxSubject+1))
	b.shows(http.StatusBadRequest, "at most 200 bytes")
	b.submit("find", "name", "bob")
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "NOT CONFIRMED", "they have typed what the call is about, and you have not")
	b.get(path)
	b.submit("find", "name", "bob", "about", "Lunch!")
	if _, right, err := lunch.Hear(b.said(), r.Now()); err != nil || !right {
		t.Errorf("what she is to say is wrong at his machine: %v", err)
	}
	b.submit("heard", "code", code)
	b.shows(http.StatusOK, "<b>Confirmed</b>", "For them, too, the call is about")
}
