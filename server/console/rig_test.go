package console_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/console"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/server/verification"
)

// rig is a realm whose console is on and holds keys, served over TLS. Bob has been added to
// its people, with a key of his machine.
type rig struct {
	*servertest.Bench
	http *httptest.Server
	bob  identity.Secret
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return rigOn(t, "")
}

// rigOn is one in the database of that address; "": in a file.
func rigOn(t *testing.T, database string) *rig {
	t.Helper()
	r := &rig{Bench: servertest.On(t, database)}
	r.set(true, true)
	r.Must(r.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "bob", FullName: "Bob Smith"}))
	r.bob = r.machineKey("bob")
	r.serve(r.Bench)
	return r
}

// serve serves the console of a server of the realm.
func (r *rig) serve(of *servertest.Bench) {
	c := console.New(of.Realm, of.Engine, verification.New(of.Realm))
	r.http = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		c.ServeHTTP(w, q.WithContext(realm.WithCaller(q.Context(), realm.Caller{Host: q.Header.Get("Test-From")})))
	}))
	r.T.Cleanup(r.http.Close)
}

func (r *rig) set(on, keys bool) {
	r.T.Helper()
	r.Must(r.Admin.SetRealm(r.T.Context(), &v1.SetRealmRequest{Console: proto.Bool(on), VerifyServerKeys: proto.Bool(keys)}))
}

func (r *rig) key(name string) (k store.VerifyKey) {
	r.T.Helper()
	id := r.Account(name).UUID
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) (err error) {
		k, err = tx.VerifyKey(id)
		return err
	}))
	return k
}

// machineKey gives somebody a key of a machine of theirs.
func (r *rig) machineKey(name string) identity.Secret {
	r.T.Helper()
	private, err := verify.NewKey()
	r.Must(nil, err)
	public, err := verify.Public(private)
	r.Must(nil, err)
	id := r.Account(name).UUID
	r.Must(nil, r.Store.Write(r.T.Context(), func(tx *store.Tx) error {
		return tx.SetVerifyKey(id, store.VerifyKey{Public: public, Made: r.Now()})
	}))
	return private
}

func (r *rig) party(name string) verify.Party {
	return verify.Party{Realm: r.Name, ID: r.Account(name).UUID, Public: r.key(name).Public}
}

// bobsCall is bob's end of a call with alice, at his machine.
func (r *rig) bobsCall() verify.Call { return r.bobsCallAbout("") }

func (r *rig) bobsCallAbout(subject string) verify.Call {
	r.T.Helper()
	c, err := verify.Begin(r.bob, r.party("bob"), r.party("alice"), subject)
	r.Must(nil, err)
	return c
}

// bobSays is what bob says to alice.
func (r *rig) bobSays() string {
	c := r.bobsCall()
	code, _ := c.Say(r.Now())
	return code
}

// rows are those of the audit log whose action begins so, as "actor action subject detail".
func (r *rig) rows(prefix string) (all []string) {
	r.T.Helper()
	r.Must(nil, r.Store.Read(r.T.Context(), func(tx *store.Tx) error {
		return tx.Audit(0, time.Time{}, 1_000_000, func(e store.Entry) error {
			if strings.HasPrefix(e.Action, prefix) {
				all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Actor, e.Action, e.Subject, e.Detail)))
			}
			return nil
		})
	}))
	return all
}

func (r *rig) passes(d time.Duration) { r.Unix.Add(int64(d / time.Second)) }

// totpNow is alice's one-time code.
func (r *rig) totpNow() string {
	r.T.Helper()
	code, err := totp.GenerateCode(servertest.TOTPKey, r.Now())
	r.Must(nil, err)
	return code
}

// browser is one at an address.
type browser struct {
	*rig
	client *http.Client
	jar    *cookiejar.Jar
	from   string
	page   page // that is shown
}

type page struct {
	status int
	header http.Header
	path   string
	text   string
}

func (r *rig) browser(from string) *browser {
	r.T.Helper()
	jar, err := cookiejar.New(nil)
	r.Must(nil, err)
	b := &browser{rig: r, jar: jar, from: from, client: r.http.Client()}
	copied := *b.client
	b.client = &copied
	b.client.Jar = jar
	b.client.Timeout = 30 * time.Second
	return b
}

// send sends a request, with more headers where they are given, and shows the page.
func (b *browser) send(method, path, kind, body string, more ...string) {
	b.T.Helper()
	q, err := http.NewRequestWithContext(b.T.Context(), method, b.http.URL+path, strings.NewReader(body))
	b.Must(nil, err)
	q.Header.Set("Test-From", b.from)
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Header.Set(more[i], more[i+1])
	}
	resp, err := b.client.Do(q)
	b.Must(nil, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.Must(nil, err)
	b.page = page{resp.StatusCode, resp.Header, resp.Request.URL.Path, string(text)}
}

func (b *browser) get(path string) { b.T.Helper(); b.send("GET", path, "", "") }

const formKind = "application/x-www-form-urlencoded"

var (
	formPattern   = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form is what the form of that name on this page would send.
func (b *browser) form(name string, fields ...string) url.Values {
	b.T.Helper()
	for _, f := range formPattern.FindAllStringSubmatch(b.page.text, -1) {
		if f[1] != console.Path+name {
			continue
		}
		v := url.Values{}
		for _, h := range hiddenPattern.FindAllStringSubmatch(f[0], -1) {
			v.Set(h[1], html.UnescapeString(h[2]))
		}
		for i := 0; i+1 < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		return v
	}
	b.T.Fatalf("there is no form %s on %s:\n%s", name, b.page.path, b.page.text)
	return nil
}

// submit fills in a form of this page and sends it.
func (b *browser) submit(name string, fields ...string) {
	b.T.Helper()
	b.post(name, b.form(name, fields...))
}

func (b *browser) post(name string, form url.Values, more ...string) {
	b.T.Helper()
	b.send("POST", console.Path+name, formKind, form.Encode(), more...)
}

// shows ends the test where the page does not say that.
func (b *browser) shows(status int, words ...string) {
	b.T.Helper()
	for _, w := range words {
		if !strings.Contains(b.page.text, w) {
			b.T.Fatalf("%s: status %d, %q is not there:\n%s", b.page.path, b.page.status, w, b.page.text)
		}
	}
	if b.page.status != status {
		b.T.Fatalf("%s: status %d, want %d:\n%s", b.page.path, b.page.status, status, b.page.text)
	}
}

// signsIn signs alice in by her password.
func (b *browser) signsIn() {
	b.T.Helper()
	b.get(console.Path)
	b.submit("sign-in", "name", "alice", "password", servertest.Right)
	b.shows(http.StatusOK, "Signed in as <b>alice</b>")
}

// cookie is that of the session.
func (b *browser) cookie() string {
	b.T.Helper()
	at, err := url.Parse(b.http.URL)
	b.Must(nil, err)
	for _, c := range b.jar.Cookies(at) {
		if c.Name == session {
			return c.Value
		}
	}
	return ""
}

func (b *browser) putCookie(name, value string) {
	b.T.Helper()
	at, err := url.Parse(b.http.URL)
	b.Must(nil, err)
	b.jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// said is the code to say on this page.
func (b *browser) said() string {
	b.T.Helper()
	m := regexp.MustCompile(`<p class="code">([0-9]{4} [0-9]{4})</p>`).FindStringSubmatch(b.page.text)
	if m == nil {
		b.T.Fatalf("no code is shown:\n%s", b.page.text)
	}
	return m[1]
}
