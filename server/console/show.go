package console

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
)

// words are what pages call.
func words() template.FuncMap {
	return template.FuncMap{
		// text is what others wrote, without what changes how the rest is read.
		"text":        identity.Printable,
		"sentence":    sentence,
		"list":        func(names []string) string { return identity.Printable(strings.Join(names, ", ")) },
		"fingerprint": verify.Fingerprint,
		"clock":       func(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" },
		"offered": func(offers []identity.FactorKind, kind string) bool {
			return slices.Contains(offers, identity.FactorKind(kind))
		},
	}
}

// sentence makes one of an error's words.
func sentence(text string) string {
	text = identity.Printable(text)
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(text[size:], ".") + "."
}

// page is what each page shows: its own data, and what the frame around it takes.
type page struct {
	Page, Title, Realm, Token string
	// SignedIn is the name of whoever is.
	SignedIn string
	Opaque   bool
	Now      time.Time
	Data     any
}

// titles are those of pages.
var titles = map[string]string{ //nolint:gochecknoglobals // a constant
	"sign-in": "Sign in", "code": "Your code", "home": "Verify somebody", "call": "Verify somebody", "trouble": "That did not work",
}

// show sends a page.
func (q *request) show(status int, name string, data any) error {
	return q.showFor(q.tied(), status, name, data)
}

// showFor sends a page whose forms are tied to a cookie that the browser is just given.
func (q *request) showFor(cookie string, status int, name string, data any) error {
	p := page{Page: name, Title: titles[name], Realm: q.Name, Token: q.tokens.of(cookie), Opaque: q.opaque, Now: q.Now(), Data: data}
	if q.session != nil && q.session.who != nil {
		p.SignedIn = string(q.session.who.Name)
	}
	var b bytes.Buffer
	if err := q.pages.ExecuteTemplate(&b, name+".html", p); err != nil {
		q.Log.ErrorContext(q.ctx, "a page of the console cannot be made", "page", name, "error", err)
		http.Error(q.w, "Something went wrong here; the server's log has more.", http.StatusInternalServerError)
		return nil
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	_, _ = q.w.Write(b.Bytes()) // the browser may be gone
	return nil
}

// Ago is how long ago that was: its largest unit, rounded down.
func (p page) Ago(t time.Time) string {
	d := p.Now.Sub(t)
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if d >= 2*u.d {
			return fmt.Sprintf("%d %s", d/u.d, u.name)
		}
	}
	return fmt.Sprintf("%d seconds", max(d, 0)/time.Second)
}

// sheet sends the style.
func (q *request) sheet() error {
	q.w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = q.w.Write(q.style) // the browser may be gone
	return nil
}

func (*request) nowhere() error { return errNowhere }
