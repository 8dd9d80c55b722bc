package console

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
	"github.com/sallyport-auth/sallyport/server/verification"
)

// Path is where the pages are.
const Path = "/console/"

const (
	// cookieName is that of a session, and formCookie ties a form to a browser that has none.
	cookieName = "__Host-sallyport"
	formCookie = "__Host-sallyport-form"
	maxForm    = 4 << 10
	timeout    = 20 * time.Second
)

// How many sign-ins of an address are tried: so many at once, and one more each time.
const (
	signInBurst = 10
	signInEvery = 6 * time.Second
)

//go:embed pages
var files embed.FS

// Console is an http.Handler.
type Console struct {
	*realm.Realm
	engine   *auth.Engine
	verify   *verification.Service
	pages    *template.Template
	style    []byte
	routes   *http.ServeMux
	origins  *http.CrossOriginProtection
	sessions sessions
	tokens   tokens
	// requests and signIns bound what an address may ask for.
	requests, signIns realm.Brake
}

var _ http.Handler = (*Console)(nil)

// New is a realm's.
func New(r *realm.Realm, e *auth.Engine, v *verification.Service) *Console {
	c := &Console{
		Realm: r, engine: e, verify: v, routes: http.NewServeMux(), origins: http.NewCrossOriginProtection(), tokens: newTokens(),
		signIns: realm.Brake{Burst: signInBurst, Every: signInEvery},
	}
	c.pages = template.Must(template.New("").Funcs(words()).ParseFS(files, "pages/*.html"))
	c.style, _ = files.ReadFile("pages/style.css") // embedded
	for pattern, f := range map[string]func(*request) error{
		"GET " + Path + "{$}":       (*request).front,
		"POST " + Path + "sign-in":  (*request).signIn,
		"POST " + Path + "code":     (*request).code,
		"POST " + Path + "sign-out": (*request).signOut,
		"POST " + Path + "key":      (*request).key,
		"POST " + Path + "find":     (*request).find,
		"GET " + Path + "call":      (*request).showCall,
		"POST " + Path + "heard":    (*request).heard,
		"GET " + Path + "style.css": (*request).sheet,
		Path:                        (*request).nowhere,
	} {
		c.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, f) })
	}
	return c
}

// headers are those of each answer.
var headers = map[string]string{ //nolint:gochecknoglobals // a constant
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	"Referrer-Policy":         "same-origin",
	"Cache-Control":           "no-store",
	"X-Content-Type-Options":  "nosniff",
	// Browsers of before know only this one.
	"X-Frame-Options":              "DENY",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "browsing-topics=(), camera=(), geolocation=(), microphone=()",
	"X-Robots-Tag":                 "noindex",
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	c.routes.ServeHTTP(w, r)
}

// request is one that is worked on.
type request struct {
	*Console
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context //nolint:containedctx // a request lives no longer than its handler
	// session is that of the cookie; nil: there is none. locked is the one whose lock is held.
	session, locked *session

	cookie  string
	set     store.ConsoleSettings
	account store.Account // of a session that is signed in
	opaque  bool          // passwords may be registered by OPAQUE in this realm
}

// Errors that a page is made of.
var (
	errOff      = connect.NewError(connect.CodeNotFound, errors.New("this realm's console is not switched on"))
	errNowhere  = connect.NewError(connect.CodeNotFound, errors.New("there is no such page"))
	errForm     = connect.NewError(connect.CodePermissionDenied, errors.New("this form is not, or not any more, of your session: nothing was done. Go back to the first page, and begin again"))
	errTooLarge = connect.NewError(connect.CodeInvalidArgument, errors.New("this is no form of this console, or too large"))
	errTooFast  = connect.NewError(connect.CodeResourceExhausted, errors.New("too many requests have come from your address: wait a minute, and try again"))
	errOver     = connect.NewError(connect.CodeUnauthenticated, errors.New("you are not signed in, or your session is over: sign in"))
	errProving  = connect.NewError(connect.CodePermissionDenied, errors.New("you are not signed in yet: type your code first"))
	errStale    = connect.NewError(connect.CodeFailedPrecondition, errors.New("a key is changed only within 5 minutes of a sign-in: sign out, sign in again, and do it then"))
)

// serve works on one request.
func (c *Console) serve(w http.ResponseWriter, r *http.Request, f func(*request) error) {
	ctx, end := context.WithTimeout(r.Context(), timeout)
	defer end()
	q := &request{Console: c, w: w, r: r, ctx: ctx}
	from := identity.OriginOfHost(realm.CallerOf(ctx).Host)
	leave, ok := c.requests.Enter(from, c.Now())
	if !ok {
		q.fail(errTooFast)
		return
	}
	defer leave()
	defer q.unlock()
	err := q.admit()
	if err == nil {
		err = f(q)
	}
	if err != nil {
		q.fail(err)
	}
}

// admit refuses what is not to be answered, and finds whose request it is.
func (q *request) admit() error {
	if err := q.Fit(); err != nil {
		return err //nolint:wrapcheck // what the caller is told
	}
	if q.Reads() != nil {
		return realm.OnlyReads("the console is at full servers of the realm") //nolint:wrapcheck // likewise
	}
	if q.r.Method == http.MethodPost {
		if err := q.readForm(); err != nil {
			return err
		}
	}
	if c, err := q.r.Cookie(cookieName); err == nil {
		if q.session = q.sessions.get(c.Value, q.Now()); q.session != nil {
			q.cookie, q.locked = c.Value, q.session
			q.locked.mu.Lock()
		}
	}
	err := q.look()
	if err == nil && q.r.Method == http.MethodPost {
		err = q.checkForm()
	}
	return err
}

func (q *request) unlock() {
	if q.locked != nil {
		q.locked.mu.Unlock()
	}
}

// look reads how the console is set, and whether whoever is signed in still is.
func (q *request) look() error {
	err := q.Store.Read(q.ctx, func(tx *store.Tx) (err error) {
		if q.set, err = tx.ConsoleSettings(); err != nil || !q.set.On {
			return err
		}
		set, err := tx.OpaquePasswords()
		if err != nil {
			return err
		}
		q.opaque = set.Sealed != nil
		if q.session == nil || q.session.who == nil {
			return nil
		}
		q.account, err = q.who(tx)
		return err
	})
	switch {
	case errors.Is(err, errOver):
		q.sessions.end(q.session)
		q.session, q.cookie = nil, ""
		return nil
	case err != nil:
		return q.Fault(q.ctx, "read how the console is set", err)
	case !q.set.On:
		return errOff
	}
	return nil
}

// who is the account of the session.
func (q *request) who(tx *store.Tx) (store.Account, error) {
	if q.session == nil || q.session.who == nil {
		return store.Account{}, errOver
	}
	a, err := q.engine.StillSignedIn(tx, q.session.who)
	if errors.Is(err, identity.ErrNotFound) {
		err = errOver
	}
	return a, err
}

// readForm takes a form of this console's size.
func (q *request) readForm() error {
	kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return errTooLarge
	}
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, maxForm)
	if err := q.r.ParseForm(); err != nil {
		return errTooLarge
	}
	return nil
}

// checkForm refuses a form that this server did not give to this session, or to this browser
// where it has none.
func (q *request) checkForm() error {
	if err := q.origins.Check(q.r); err != nil {
		return errForm
	}
	if q.tokens.is(q.field("token"), q.tied()) {
		return nil
	}
	if _, err := q.r.Cookie(cookieName); err == nil && q.session == nil {
		return errOver
	}
	return errForm
}

// field is one of the form, never of the address.
func (q *request) field(name string) string { return q.r.PostForm.Get(name) }

// tied is the cookie that the tokens of forms are made of.
func (q *request) tied() string {
	if q.session != nil {
		return q.cookie
	}
	c, err := q.r.Cookie(formCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie gives the browser a cookie; an empty value takes it away.
func (q *request) setCookie(name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(q.w, c)
}

// toPage ends a form well: a page that is shown anew sends nothing twice.
func (q *request) toPage(name string) error {
	http.Redirect(q.w, q.r, Path+name, http.StatusSeeOther)
	return nil
}
