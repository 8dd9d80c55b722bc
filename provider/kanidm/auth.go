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
}

// state is what the server answers to a step; exactly one of its fields is set.
type state struct {
	Choose   []string        `json:"choose"`
	Continue []string        `json:"continue"`
	Success  string          `json:"success"`
	Denied   *string         `json:"denied"`
	External json.RawMessage `json:"external"`
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
	var r struct {
		State *state `json:"state"`
	}
	if err := parse(a, &r); err != nil {
		return state{}, answer{}, err
	}
	if r.State == nil {
		return state{}, answer{}, errShape
	}
	return *r.State, a, nil
}

// begin asks which mechanisms a name has.
func (p *Provider) begin(ctx context.Context, name string) (*steps, time.Time, error) {
	s, a, err := p.step(ctx, "", object{"init2": object{"username": name, "issue": "token", "privileged": false}})
	if err != nil {
		return nil, time.Time{}, notYours(err)
	}
	return &steps{p: p, session: a.session, mechs: s.Choose}, a.at, nil
}

// notYours: a 401 to an authentication is no word about our own session.
func notYours(err error) error {
	if errors.Is(err, errUnauthorized) {
		return fmt.Errorf("%w: %w", provider.ErrOffline, err)
	}
	return err
}

// try chooses a mechanism and gives its credentials, in the server's order.
func (x *steps) try(ctx context.Context, mech string, credentials ...any) (ended, error) {
	s, a, err := x.p.step(ctx, x.session, object{"begin": mech})
	for _, c := range credentials {
		if err != nil {
			return ended{}, x.lost(err)
		}
		if a.session != "" {
			x.session = a.session
		}
		if s.Denied != nil || s.Success != "" {
			break
		}
		s, a, err = x.p.step(ctx, x.session, object{"cred": c})
	}
	switch {
	case err != nil:
		return ended{}, x.lost(err)
	case s.Denied != nil:
		return ended{denied: printable([]byte(*s.Denied)), at: a.at}, nil
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
	r := provider.Reply{Outcome: provider.Continue, Offers: x.offered}
	if !p.o.Stepped {
		return x, r, nil
	}
	s, at, err := p.begin(ctx, string(a.Name))
	if err != nil {
		return nil, provider.Reply{}, fmt.Errorf("begin authentication: %w", err)
	}
	x.steps, r.ServerTime = s, at
	if !slices.ContainsFunc([]string{mechPassword, mechTOTP, mechBackup}, x.may) {
		x.offered = nil
		return x, provider.Reply{Outcome: provider.Deny, Message: "This account signs in with a passkey only, which no terminal can ask for.", ServerTime: at}, nil
	}
	return x, r, nil
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
		if x.may(mechBackup) {
			x.offered = append(x.offered, identity.BackupCode)
		}
		return provider.Reply{Outcome: provider.Continue, Offers: x.offered}, nil
	}
	defer x.password.Wipe()
	password := object{"password": string(x.password.Reveal())}
	if a.Kind == identity.BackupCode {
		return x.ended(ctx, []identity.FactorKind{identity.Password, identity.BackupCode}, mechBackup,
			object{"backupcode": string(a.Credential.Reveal())}, password)
	}
	code, err := strconv.ParseUint(strings.Join(strings.Fields(string(a.Credential.Reveal())), ""), 10, 32)
	if err != nil {
		return provider.Reply{Message: "A one-time code is digits only."}, nil
	}
	return x.ended(ctx, []identity.FactorKind{identity.Password, identity.TOTP}, mechTOTP, object{"totp": code}, password)
}

// ended goes through a mechanism, the code before the password as the server wants it.
func (x *exchange) ended(ctx context.Context, proved []identity.FactorKind, mech string, credentials ...any) (provider.Reply, error) {
	e, err := x.steps.try(ctx, mech, credentials...)
	if err != nil {
		return provider.Reply{}, err
	}
	if e.bearer == "" {
		return provider.Reply{Message: "Sign-in refused: " + e.denied + ".", ServerTime: e.at}, nil
	}
	// The session that this opened is of no more use: what was proved is known.
	defer x.p.logout(context.WithoutCancel(ctx), e.bearer)
	t, at, err := x.p.lookup(ctx, string(x.name))
	if err != nil {
		return provider.Reply{}, err
	}
	return x.allow(ctx, t, proved, at)
}

func (p *Provider) logout(ctx context.Context, bearer string) {
	_, _ = p.do(ctx, call{method: http.MethodGet, path: "/v1/logout", bearer: bearer}) // it expires by itself
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
	r := provider.Reply{ServerTime: at, Message: "Sign-in refused."}
	if !t.Valid {
		r.Message = "This account has expired or is not valid yet. Ask your administrator."
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
		return provider.Reply{Message: "This account has expired or is not valid yet. Ask your administrator.", ServerTime: at}, nil
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
