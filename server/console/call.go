package console

import (
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
	"github.com/sallyport-auth/sallyport/server/store"
)

var (
	errName = connect.NewError(connect.CodeInvalidArgument, errors.New("this is no name of an account: names have small letters, digits, '.', '_' and '-', and may have a realm behind an '@'. "+
		"If it was copied, type it yourself: a letter may look like another"))
	errNoCall = connect.NewError(connect.CodeFailedPrecondition, errors.New("this form was used already, or is of another call: no code was judged. Look whose name is shown, and hear the code again"))
)

// fresh tells whether the sign-in is so new that keys may be changed.
func (q *request) fresh() bool { return q.Now().Sub(q.session.who.At) < freshFor }

// home is what the page to verify somebody shows.
type home struct {
	Message string
	// Key is the account's; HasKey and Held tell what there is of it.
	Key          store.VerifyKey
	HasKey, Held bool
	MayHold      bool // the realm lets the server hold keys
	Fresh        bool
	Name, About  string // that were typed
}

func (q *request) homePage(status int, message string) error {
	h := home{Message: message, MayHold: q.set.ServerKeys, Fresh: q.fresh(), Name: q.field("name"), About: q.field("about")}
	err := q.Store.Read(q.ctx, func(tx *store.Tx) (err error) {
		h.Key, err = q.verify.OwnKey(tx, q.account.UUID)
		return err
	})
	if err != nil {
		return q.Fault(q.ctx, "read a key to verify with", err)
	}
	h.HasKey, h.Held = h.Key.Public != nil, h.Key.Sealed != nil
	return q.show(status, "home", h)
}

// mustBeSignedIn refuses whoever is not, or not yet.
func (q *request) mustBeSignedIn() error {
	switch {
	case q.session == nil:
		return errOver
	case q.session.who == nil:
		return errProving
	default:
		return nil
	}
}

// key makes, replaces or ends the account's key.
func (q *request) key() (err error) {
	if err := q.mustBeSignedIn(); err != nil {
		return err
	}
	if !q.fresh() {
		return errStale
	}
	switch q.field("do") {
	case "make":
		err = q.verify.HoldKey(q.ctx, q.who, q.field("replace") == "my machine's key", q.field("partners") == "yes")
	case "end":
		err = q.verify.EndHeldKey(q.ctx, q.who)
	default:
		err = errForm
	}
	if err != nil {
		return err //nolint:wrapcheck // what the caller is told
	}
	q.session.call = nil
	return q.toPage("")
}

// find begins a call.
func (q *request) find() error {
	if err := q.mustBeSignedIn(); err != nil {
		return err
	}
	name, err := identity.ParseName(q.field("name"))
	if err != nil {
		return q.homePage(http.StatusBadRequest, errName.Message())
	}
	subject, err := verify.Subject(q.field("about"))
	if err != nil {
		return q.homePage(http.StatusBadRequest, err.Error())
	}
	realm := name.Realm()
	if realm == q.Name {
		realm = ""
	}
	person, err := q.verify.Find(q.ctx, q.who, string(name.Short()), realm)
	var told *connect.Error
	switch {
	case errors.Is(err, errOver):
		return errOver
	case errors.As(err, &told) && status(told.Code()) < http.StatusInternalServerError:
		return q.homePage(status(told.Code()), told.Message())
	case err != nil:
		return err //nolint:wrapcheck // likewise
	}
	q.session.call = newCall(person, q.field("about"), subject)
	return q.toPage("call")
}

// showCall is who that is, the code to say, and what came of the last one that was heard.
func (q *request) showCall() error {
	if err := q.mustBeSignedIn(); err != nil {
		return err
	}
	c := q.session.call
	if c == nil {
		return q.toPage("")
	}
	now, err := q.verify.Show(q.ctx, q.who, c.person, c.subject)
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	realm := c.person.GetRealm()
	if realm == "" {
		realm = q.Name
	}
	verdict := verify.Verdict("")
	if v := c.verdict; v != nil {
		verdict = v.Verdict
	}
	return q.show(http.StatusOK, "call", map[string]any{
		"Call": now, "Person": c.person, "PersonRealm": realm, "OwnRealm": realm == q.Name, "Form": c.id, "About": c.about, "Verdict": verdict, "Heard": c.heardAt,
		"Made": c.person.GetMade().AsTime(), "Seconds": int(now.Left / time.Second),
	})
}

// heard is a code that was heard of the person whose page the form was on.
func (q *request) heard() error {
	if err := q.mustBeSignedIn(); err != nil {
		return err
	}
	c := q.session.call
	if c == nil || q.field("form") != c.id {
		return errNoCall
	}
	next := newCall(c.person, c.about, c.subject)
	q.session.call = next // whatever comes of it: the form was used
	v, err := q.verify.Hear(q.ctx, q.who, c.person, c.subject, q.field("code"))
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	next.verdict, next.heardAt = &v, q.Now()
	return q.toPage("call")
}
