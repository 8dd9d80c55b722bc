package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// Promise console-forms.
func TestAFormCountsFromItsOwnSessionAlone(t *testing.T) {
	r := newRig(t)
	b, eve := r.browser("192.0.2.1"), r.browser("192.0.2.2")
	b.signsIn()
	eve.signsIn() // she has a session of her own, of the same account even
	keys := func() int { return len(r.rows("verify.set")) }
	hers := eve.form("key", "do", "make")
	without := func(field string) func() {
		return func() {
			f := b.form("key", "do", "make")
			f.Del(field)
			b.post("key", f)
		}
	}
	for sentence, c := range map[string]struct {
		send   func()
		status int
	}{
		"no token":                    {without("token"), http.StatusForbidden},
		"another session's token":     {func() { b.post("key", hers) }, http.StatusForbidden},
		"from another site":           {func() { b.post("key", b.form("key", "do", "make"), "Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		"from a neighbour":            {func() { b.post("key", b.form("key", "do", "make"), "Sec-Fetch-Site", "same-site") }, http.StatusForbidden},
		"of another origin":           {func() { b.post("key", b.form("key", "do", "make"), "Origin", "https://evil.example") }, http.StatusForbidden},
		"of no origin":                {func() { b.post("key", b.form("key", "do", "make"), "Origin", "null") }, http.StatusForbidden},
		"by GET":                      {func() { b.send("GET", path+"key?"+b.form("key", "do", "make").Encode(), "", "") }, http.StatusNotFound},
		"with the fields in the path": {func() { b.send("POST", path+"key?"+b.form("key", "do", "make").Encode(), formKind, "") }, http.StatusForbidden},
		"as text": {func() {
			b.send("POST", path+"key", "text/plain", b.form("key", "do", "make").Encode())
		}, http.StatusBadRequest},
		"as a file": {func() {
			b.send("POST", path+"key", "multipart/form-data; boundary=x", "--x--")
		}, http.StatusBadRequest},
		"too large": {func() { b.post("key", b.form("key", "do", "make", "more", strings.Repeat("x", 5000))) }, http.StatusBadRequest},
		"nonsense":  {func() { b.post("key", b.form("key", "do", "nothing")) }, http.StatusForbidden},
	} {
		b.get(path)
		c.send()
		if b.page.status != c.status || keys() != 0 {
			t.Errorf("%s: status %d, %d keys, want %d", sentence, b.page.status, keys(), c.status)
		}
	}
	b.get(path)
	b.post("key", b.form("key", "do", "make"), "Sec-Fetch-Site", "same-origin", "Origin", r.http.URL)
	if b.page.status != http.StatusOK || keys() != 1 {
		t.Errorf("the form itself: status %d, %d keys", b.page.status, keys())
	}
	// Somebody who is not signed in cannot be signed in by another site, either.
	b = r.browser("192.0.2.3")
	b.get(path)
	f := b.form("sign-in", "name", "alice", "password", servertest.Right)
	other := r.browser("192.0.2.4")
	other.get(path)
	for sentence, send := range map[string]func(){
		"another browser's form": func() { other.post("sign-in", f) },
		"from another site":      func() { b.post("sign-in", f, "Sec-Fetch-Site", "cross-site") },
	} {
		send()
		if b.cookie()+other.cookie() != "" {
			t.Errorf("%s: signed in", sentence)
		}
	}
}

// Promise console-headers.
func TestEachAnswerIsKeptFromOthers(t *testing.T) {
	r := newRig(t)
	b := r.browser("192.0.2.1")
	check := func(what string) {
		t.Helper()
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"Cache-Control":              "no-store",
			"X-Content-Type-Options":     "nosniff",
			"X-Frame-Options":            "DENY",
			"Referrer-Policy":            "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := b.page.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", what, name, got)
			}
		}
		if strings.Contains(b.page.text, "<script") || strings.Contains(b.page.text, " style=") || strings.Contains(b.page.text, " onclick") {
			t.Errorf("%s: the page has what its policy refuses", what)
		}
	}
	b.get(path)
	check("the sign-in")
	b.get(path + "style.css")
	check("the style")
	b.get(path + "nowhere")
	b.shows(http.StatusNotFound, "There is no such page.")
	check("no page")
	b.send("DELETE", path+"key", "", "")
	check("another method")
	b.signsIn()
	check("the first page")
	b.submit("key", "do", "make")
	b.submit("find", "name", "bob")
	check("a call")
	r.set(false, true)
	b.get(path)
	b.shows(http.StatusNotFound, "not switched on")
	check("switched off")
	b.send("POST", path+"sign-in", formKind, "name=alice&password="+servertest.Right)
	if b.page.status != http.StatusNotFound {
		t.Errorf("switched off, and it signs in: %d", b.page.status)
	}
}

// Promise console-text.
func TestTextOfOthersIsShownAsText(t *testing.T) {
	r := newRig(t)
	hostile := `</h1><script>alert(1)</script><img src=x onerror=alert(1)>"' ` + "\u202egro.elpmaxe@nimda"
	set := &v1.SetAccountRequest{Name: "bob", FullName: &hostile}
	if _, err := r.Admin.SetAccount(t.Context(), set); err != nil { // such a name an older release may have stored
		t.Logf("refused where it enters: %v", err)
		clean := `</h1><script>alert(1)</script><img src=x onerror=alert(1)>"' `
		set.FullName = &clean
		r.Must(r.Admin.SetAccount(t.Context(), set))
	}
	b := r.browser("192.0.2.1")
	b.signsIn()
	b.submit("key", "do", "make")
	for _, typed := range []string{`"><script>alert(1)</script>`, "b\u043eb", "bob@evil.example", "nobody", "alice", strings.Repeat("x", 300)} {
		b.submit("find", "name", typed)
		if b.page.status < 400 || strings.Contains(b.page.text, "<script") {
			t.Errorf("%q: status %d:\n%s", typed, b.page.status, b.page.text)
		}
	}
	b.submit("find", "name", "bob")
	b.shows(http.StatusOK, "&lt;script&gt;alert(1)")
	if strings.Contains(b.page.text, "<script") || strings.Contains(b.page.text, "<img") || strings.Contains(b.page.text, "\u202e") {
		t.Errorf("the name is no text:\n%s", b.page.text)
	}
}

// Promise console-brakes.
func TestAnAddressThatFloodsKeepsNobodyElseOut(t *testing.T) {
	r := newRig(t)
	b := r.browser("192.0.2.1")
	b.get(path)
	tries := 0
	for ; tries < 50 && b.page.status != http.StatusTooManyRequests; tries++ {
		b.get(path)
		b.submit("sign-in", "name", fmt.Sprintf("stranger-%d", tries), "password", "a guess")
	}
	if tries != 11 || b.page.header.Get("Retry-After") == "" {
		t.Errorf("%d sign-ins are tried at once, then status %d", tries, b.page.status)
	}
	near := r.browser("192.0.2.2")
	near.signsIn()
	for range 70 {
		b.get(path)
	}
	b.shows(http.StatusTooManyRequests)
	near.get(path)
	near.shows(http.StatusOK, "Signed in")
	r.passes(time.Minute)
	b.get(path)
	b.submit("sign-in", "name", "alice", "password", servertest.Right)
	b.shows(http.StatusOK, "Signed in")
}
