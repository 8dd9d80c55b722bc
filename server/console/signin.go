package console

import (
	"errors"
	"net/http"
	"slices"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// What is said to somebody who does not get in.
const (
	refused      = "You were not signed in: the name, the password or the code is wrong."
	refusedTwice = "You were not signed in: too many wrong answers have come from your address. Wait for some minutes, and try again."
	noForm       = "You were not signed in: your account takes a proof that no form can give, as a smartcard does. Use \"sallyport verify\" on your machine."
)

// front is the first page: to sign in, to give a code, or to verify somebody.
func (q *request) front() error {
	switch {
	case q.session == nil:
		return q.signInPage(http.StatusOK, "")
	case q.session.who == nil:
		return q.show(http.StatusOK, "code", map[string]any{"Name": q.session.name, "Offers": q.session.proving.Offers})
	default:
		return q.homePage(http.StatusOK, "")
	}
}

func (q *request) signInPage(status int, message string) error {
	if q.tied() == "" {
		value := newValue()
		q.setCookie(formCookie, value)
		return q.showFor(value, status, "sign-in", map[string]any{"Message": message})
	}
	return q.show(status, "sign-in", map[string]any{"Message": message})
}

// attempt takes a place for a sign-in of that address.
func (q *request) attempt() (leave func(), err error) {
	leave, ok := q.signIns.Enter(identity.OriginOfHost(q.host()), q.Now())
	if !ok {
		return nil, errTooFast
	}
	return leave, nil
}

func (q *request) host() string { return realm.CallerOf(q.ctx).Host }

// signIn is a name and a password. What went before in this browser is over.
func (q *request) signIn() error {
	leave, err := q.attempt()
	if err != nil {
		return err
	}
	defer leave()
	if q.session != nil {
		q.sessions.end(q.session)
	}
	name, err := q.ownName(q.field("name"))
	if err != nil {
		return q.again(refused)
	}
	password := identity.NewSecret([]byte(q.field("password")))
	defer password.Wipe()
	step, err := q.engine.ConsolePassword(q.ctx, name, q.host(), password)
	if err != nil {
		return q.Fault(q.ctx, "sign in to the console", err)
	}
	return q.stepped(&session{name: name}, step)
}

// ownName is the name of an account, which may be typed with this realm behind it.
func (q *request) ownName(typed string) (identity.Name, error) {
	name, err := identity.ParseName(typed)
	if err != nil {
		return "", err //nolint:wrapcheck // it says what it is about
	}
	if name.Realm() != "" && name.Realm() != q.Name {
		return "", identity.ErrName
	}
	return identity.ParseShortName(string(name.Short())) //nolint:wrapcheck // likewise
}

// code goes on by a code.
func (q *request) code() error {
	leave, err := q.attempt()
	if err != nil {
		return err
	}
	defer leave()
	s := q.session
	if s == nil || s.who != nil {
		return errOver
	}
	q.sessions.end(s)
	code := identity.NewSecret([]byte(q.field("code")))
	defer code.Wipe()
	step, err := q.engine.ConsoleCode(q.ctx, s.proving.Session, s.proving.Offers, code)
	if err != nil {
		return q.Fault(q.ctx, "sign in to the console", err)
	}
	return q.stepped(&session{name: s.name}, step)
}

// stepped goes where a step led to: only a SignedIn is a yes.
func (q *request) stepped(s *session, step auth.ConsoleStep) error {
	code := func(k identity.FactorKind) bool { return k == identity.TOTP || k == identity.BackupCode }
	switch {
	case step.SignedIn != nil:
		s.who = step.SignedIn
	case slices.ContainsFunc(step.Offers, code):
		s.proving = step
	case len(step.Offers) > 0:
		return q.again(noForm)
	case step.Locked:
		return q.again(refusedTwice)
	case step.Message == "" || step.Message == identity.Refused:
		return q.again(refused)
	default:
		return q.again("You were not signed in. " + step.Message)
	}
	q.setCookie(cookieName, q.sessions.put(s, q.Now()))
	return q.toPage("")
}

// again shows the form for signing in once more.
func (q *request) again(why string) error {
	q.leaveSession()
	return q.signInPage(http.StatusForbidden, why)
}

// leaveSession takes the cookie of a session away, where there was one.
func (q *request) leaveSession() {
	if _, err := q.r.Cookie(cookieName); err == nil {
		q.setCookie(cookieName, "")
	}
	q.session, q.cookie = nil, ""
}

// signOut ends the session.
func (q *request) signOut() error {
	if q.session != nil {
		q.sessions.end(q.session)
	}
	q.leaveSession()
	return q.toPage("")
}

// fail shows what went wrong.
func (q *request) fail(err error) {
	var told *connect.Error
	if !errors.As(err, &told) {
		_ = errors.As(q.Fault(q.ctx, "serve the console", err), &told)
	}
	if errors.Is(err, errOver) {
		q.leaveSession()
		if q.r.Method == http.MethodGet {
			_ = q.toPage("")
			return
		}
		_ = q.signInPage(http.StatusForbidden, told.Message())
		return
	}
	status := status(told.Code())
	if status == http.StatusTooManyRequests {
		q.w.Header().Set("Retry-After", "60")
	}
	_ = q.show(status, "trouble", map[string]any{"Message": told.Message()})
}

// status is how HTTP says it.
func status(c connect.Code) int {
	switch c {
	case connect.CodeNotFound:
		return http.StatusNotFound
	case connect.CodeInvalidArgument, connect.CodeFailedPrecondition:
		return http.StatusBadRequest
	case connect.CodePermissionDenied, connect.CodeUnauthenticated:
		return http.StatusForbidden
	case connect.CodeResourceExhausted:
		return http.StatusTooManyRequests
	case connect.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
