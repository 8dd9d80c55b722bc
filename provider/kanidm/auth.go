package kanidm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Mechanisms of the server that a terminal can serve.
const (
	mechPassword = "password"
	mechTOTP     = "passwordmfa"
	mechBackup   = "passwordbackupcode"
)

// steps is one stepped authentication at the server.
type steps struct {
	p       *Provider
	session string // lost when the server restarts, and after 300 s
	mechs   []string
	denied  string // without any step
	again   *kept  // the session that is proved again; nil: a whole sign-in
}

// state is what the server answers to a step; exactly one of its fields is set.
type state struct {
	Choose   []string          `json:"choose"`
	Continue []json.RawMessage `json:"continue"` // a name, or an object with a challenge
	Success  string            `json:"success"`
	Denied   *string           `json:"denied"`
	External json.RawMessage   `json:"external"`
}

// wants tells whether a credential of that name may come next.
func (s state) wants(name string) bool {
	return slices.ContainsFunc(s.Continue, func(c json.RawMessage) bool { return bareName(c) == name })
}

// ended is how an attempt with a credential came out: a bearer is a yes.
type ended struct {
	bearer, denied string
	at             time.Time
}

type object map[string]any

func (p *Provider) step(ctx context.Context, session string, step object) (state, answer, error) {
	a, err := p.do(ctx, call{method: http.MethodPost, path: "/v1/auth", session: session, body: object{"step": step}})
	if err != nil {
		return state{}, answer{}, err
	}
	now, err := a.state(http.StatusOK)
	return now, a, err
}

// state reads an answer to a step.
func (a answer) state(status int) (state, error) {
	var r struct {
		State *state `json:"state"`
	}
	if err := meaning(status, a.body); err != nil {
		return state{}, err
	}
	if err := parse(a, &r); err != nil {
		return state{}, err
	}
	if r.State == nil {
		return state{}, errShape
	}
	return *r.State, nil
}

// begin asks which mechanisms a name has.
func (p *Provider) begin(ctx context.Context, name string) (*steps, time.Time, error) {
	s, a, err := p.step(ctx, "", object{"init2": object{"username": name, "issue": "token", "privileged": false}})
	if err != nil {
		return nil, time.Time{}, notYours(err)
	}
	x := &steps{p: p, session: a.session, mechs: s.Choose}
	if s.Denied != nil {
		x.denied = *s.Denied
	}
	return x, a.at, nil
}

// notYours: a 401 to an authentication is no word about our own session.
func notYours(err error) error {
	if errors.Is(err, errUnauthorized) {
		return fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	return err
}

// try chooses a mechanism and gives its credentials, in the server's order. A session
// that is proved again has its mechanism already.
func (x *steps) try(ctx context.Context, mech string, credentials ...any) (ended, error) {
	var s state
	var a answer
	var err error
	switch {
	case x.denied != "":
		return ended{denied: x.denied}, nil
	case x.again == nil:
		s, a, err = x.p.step(ctx, x.session, object{"begin": mech})
	}
	for _, c := range credentials {
		if err != nil {
			return ended{}, x.lost(err)
		}
		if a.session != "" {
			x.session = a.session
		}
		if s.Denied != nil {
			break
		}
		if s.Success != "" {
			return ended{}, fmt.Errorf("%w: the server says yes before all is proved", provider.ErrOffline)
		}
		s, a, err = x.p.step(ctx, x.session, object{"cred": c})
	}
	switch {
	case err != nil:
		return ended{}, x.lost(err)
	case s.Denied != nil:
		return ended{denied: *s.Denied, at: a.at}, nil
	case s.Success != "":
		return ended{bearer: s.Success, at: a.at}, nil
	default:
		return ended{}, fmt.Errorf("%w: the server wants more than it said", provider.ErrOffline)
	}
}

// lost: in the midst of an authentication "not found" is the session, which a server
// that was started anew does not know; nothing is said of the account.
func (x *steps) lost(err error) error {
	if errors.Is(err, provider.ErrNotFound) {
		return fmt.Errorf("%w: the authentication is gone: %v", provider.ErrOffline, err) //nolint:errorlint // it must not count as "no such account"
	}
	return notYours(err)
}

// exchange is provider.Exchange for both ways to sign in.
type exchange struct {
	p        *Provider
	name     identity.Name
	steps    *steps // nil: by the POSIX password
	password identity.Secret
	offered  []identity.FactorKind // nil: ended
}

// Begin implements provider.Provider.
func (p *Provider) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	x := &exchange{p: p, name: a.Name, offered: []identity.FactorKind{identity.Password}}
	if !p.o.Stepped {
		return x, provider.Reply{Outcome: provider.Continue, Offers: x.offered}, nil
	}
	if a.StepUp {
		if on, r, err := x.again(ctx); on || err != nil {
			return begins(x, r, err)
		}
	}
	r, err := x.whole(ctx)
	return begins(x, r, err)
}

func begins(x *exchange, r provider.Reply, err error) (provider.Exchange, provider.Reply, error) {
	if err != nil {
		return nil, provider.Reply{}, fmt.Errorf("begin authentication: %w", err)
	}
	return x, r, nil
}

// whole begins a sign-in from nothing.
func (x *exchange) whole(ctx context.Context) (provider.Reply, error) {
	s, at, err := x.p.begin(ctx, string(x.name))
	if err != nil {
		return provider.Reply{}, err
	}
	x.steps = s
	r := provider.Reply{ServerTime: at}
	switch {
	case s.denied != "":
		r = denied(s.denied, at)
	case !slices.ContainsFunc([]string{mechPassword, mechTOTP, mechBackup}, x.may):
		r.Message = "This account signs in with a passkey only, which no terminal can ask for."
	default:
		r.Outcome, r.Offers = provider.Continue, x.offered
		return r, nil
	}
	x.offered = nil
	return r, nil
}

const hasExpired = "This account has expired or is not valid yet. Ask your administrator."

const hasNothing = "This account has no password or code at the server yet. Ask your administrator."

// saysLocked: wrong answers have locked the account or its credential. The server does not
// say for how long; that is seconds, and longer with each wrong answer.
func saysLocked(denied string) bool {
	return strings.Contains(strings.ToLower(denied), "temporarily locked")
}

// denied puts the server's word for a denial into ours.
func denied(why string, at time.Time) provider.Reply {
	r := provider.Reply{ServerTime: at}
	switch {
	case why == "account expired":
		r.Message = hasExpired
	case why == "invalid credential state": // of an account that has none
		r.Message = hasNothing
	case why == "incorrect totp", why == "invalid backup code":
		r.Message = identity.WrongCode
	case why == "incorrect password":
		r.Message = identity.Refused
	case saysLocked(why):
		r.Locked, r.Message = true, "The server has locked this account for a moment, after wrong answers. Wait a minute, then try again."
	default:
		r.Message = "Sign-in refused: " + printable([]byte(why)) + "."
	}
	return r
}

func (x *exchange) may(mech string) bool { return slices.Contains(x.steps.mechs, mech) }

// Step implements provider.Exchange.
func (x *exchange) Step(ctx context.Context, a provider.Answer) (provider.Reply, error) {
	offered := x.offered
	x.offered = nil // whatever happens, an offer is answered once
	if !slices.Contains(offered, a.Kind) {
		x.password.Wipe()
		return provider.Reply{}, nil
	}
	r, err := x.answer(ctx, a)
	if err != nil {
		return provider.Reply{}, fmt.Errorf("authenticate: %w", err)
	}
	return r, nil
}

func (x *exchange) answer(ctx context.Context, a provider.Answer) (provider.Reply, error) {
	switch {
	case x.steps == nil:
		return x.posix(ctx, a.Credential)
	case a.Kind == identity.Password && x.may(mechPassword):
		return x.ended(ctx, []identity.FactorKind{identity.Password}, mechPassword, object{"password": string(a.Credential.Reveal())})
	case a.Kind == identity.Password:
		x.password = identity.NewSecret(slices.Clone(a.Credential.Reveal()))
		if x.may(mechTOTP) {
			x.offered = append(x.offered, identity.TOTP)
		}
		// A kept session asks for none, and a whole sign-in may: see backup.
		if x.may(mechBackup) || x.steps.again != nil {
			x.offered = append(x.offered, identity.BackupCode)
		}
		return provider.Reply{Outcome: provider.Continue, Offers: x.offered, Unproved: true}, nil
	}
	defer x.password.Wipe()
	password := object{"password": string(x.password.Reveal())}
	if a.Kind == identity.BackupCode {
		return x.backup(ctx, object{"backupcode": string(a.Credential.Reveal())}, password)
	}
	code, err := strconv.ParseUint(strings.Join(strings.Fields(string(a.Credential.Reveal())), ""), 10, 32)
	if err != nil {
		return provider.Reply{Message: "A one-time code is digits only."}, nil
	}
	return x.ended(ctx, []identity.FactorKind{identity.Password, identity.TOTP}, mechTOTP, object{"totp": code}, password)
}

// backup goes through a sign-in by backup code, which no reauthentication takes.
func (x *exchange) backup(ctx context.Context, credentials ...any) (provider.Reply, error) {
	if x.steps.again != nil {
		if r, err := x.whole(ctx); err != nil || x.steps.denied != "" {
			return r, err
		}
		if !x.may(mechBackup) {
			return provider.Reply{Message: "This account has no backup codes."}, nil
		}
	}
	return x.ended(ctx, []identity.FactorKind{identity.Password, identity.BackupCode}, mechBackup, credentials...)
}

// ended goes through a mechanism, the code before the password as the server wants it.
func (x *exchange) ended(ctx context.Context, proved []identity.FactorKind, mech string, credentials ...any) (provider.Reply, error) {
	e, err := x.steps.try(ctx, mech, credentials...)
	if err != nil {
		return provider.Reply{}, err
	}
	if e.bearer == "" {
		return denied(e.denied, e.at), nil
	}
	t, at, err := x.p.lookup(ctx, string(x.name))
	var r provider.Reply
	switch {
	case err != nil:
	case x.steps.again != nil && t.UUID != x.steps.again.account:
		// The name is another account's by now, and that one has proved nothing.
		x.p.end(ctx, x.p.kept.drop(*x.steps.again)...)
		return provider.Reply{Message: "Sign-in refused: this name is another account's now. Try again.", ServerTime: at}, nil
	default:
		r, err = x.allow(ctx, t, proved, at)
	}
	if x.steps.again == nil {
		x.opened(ctx, t, e.bearer, mech != mechBackup && r.Outcome == provider.Allow)
	}
	// The bearer of a reauthentication is of the session that is kept: to end the one
	// would end the other.
	return r, err
}

// posix proves the account's POSIX password.
func (x *exchange) posix(ctx context.Context, password identity.Secret) (provider.Reply, error) {
	a, err := x.p.own(ctx, call{
		method: http.MethodPost, path: accountPath(string(x.name)) + "/_unix/_auth", body: object{"value": string(password.Reveal())},
	})
	if err != nil {
		return provider.Reply{}, err
	}
	if strings.TrimSpace(string(a.body)) != "null" {
		t, err := a.account()
		if err != nil {
			return provider.Reply{}, err
		}
		return x.allow(ctx, t, []identity.FactorKind{identity.Password}, a.at)
	}
	// A no has many reasons, and this call tells none of them.
	t, at, err := x.p.lookup(ctx, string(x.name))
	if err != nil {
		return provider.Reply{}, err
	}
	r := provider.Reply{ServerTime: at, Message: identity.Refused, AskAgain: x.p.o.SoftLock}
	if !t.Valid {
		r.Message, r.AskAgain = hasExpired, 0
	}
	return r, nil
}

const sessionLife = 8 * time.Hour

// allow is a yes, which is bound to what was asked for.
func (x *exchange) allow(ctx context.Context, t *unixToken, proved []identity.FactorKind, at time.Time) (provider.Reply, error) {
	p := x.p
	r, err := p.record(ctx, t, proved)
	if err != nil {
		return provider.Reply{}, err
	}
	if r.Token.Account.Name != x.name {
		return provider.Reply{}, fmt.Errorf("%w: it allowed another account than was asked for", provider.ErrUntrusted)
	}
	if r.Token.State != identity.Active {
		return provider.Reply{Message: hasExpired, ServerTime: at}, nil
	}
	now := p.o.Now()
	s := &identity.SessionToken{
		Realm: p.o.Realm, ID: uuid.New(), Account: r.Token.Account.UUID, Machine: p.o.MachineID, Methods: proved,
		AuthenticatedAt: now.Unix(), ExpiresAt: now.Add(sessionLife).Unix(),
	}
	signed, err := p.signer.SignSessionToken(s)
	if err != nil {
		return provider.Reply{}, fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	return provider.Reply{Outcome: provider.Allow, Session: s, SignedSession: signed, Record: r, ServerTime: at}, nil
}
