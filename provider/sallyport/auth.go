package sallyport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
	"github.com/sallyport-auth/sallyport/trouble"
)

// clockSkew is how far this machine's clock may be from the server's for a
// session token to be accepted.
const clockSkew = 5 * time.Minute

// exchange is one authentication; it holds the cookie for the next step. All its steps go
// to the server where it began: no other knows of it.
type exchange struct {
	at   *endpoint
	name identity.Name
	// purpose is what it is for, where it is no login.
	purpose string
	cookie  string // empty: ended
	// opaque tells that a password is proved by OPAQUE where it is offered, and password is
	// one that may have to be registered at the end: see opaque.go.
	opaque   bool
	password identity.Secret
}

// Begin implements provider.Provider.
func (p *Provider) Begin(ctx context.Context, a provider.Attempt) (provider.Exchange, provider.Reply, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	var resp *v1.BeginResponse
	// An attempt that nobody goes on with costs nothing, so it may begin twice.
	at, err := p.askAt(ctx, true, func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.auth.Begin(ctx, &v1.BeginRequest{
			Name: string(a.Name), Service: a.Service, RemoteHost: a.RemoteHost, UsedStep: a.UsedStep, UsedEpoch: a.UsedEpoch, Origin: a.Origin.String(),
			Enrol: string(a.Enrol), Remove: string(a.Remove), RemoveCard: a.RemoveCard,
			ChangesDuePasswords: a.Purpose == "", // see daemon/passworddue.go
			Purpose:             a.Purpose,
		})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return nil, provider.Reply{}, meaning("begin authentication", err)
	}
	e := &exchange{at: at, name: a.Name, purpose: a.Purpose}
	reply := provider.Reply{Message: resp.GetMessage(), ServerTime: moment(resp.GetServerTime())}
	if resp.GetOutcome() == v1.Outcome_OUTCOME_CONTINUE && len(resp.GetOffers()) > 0 {
		if err := e.proceed(resp.GetSession(), resp.GetOffers(), resp.GetNonce(), &reply); err != nil {
			return nil, provider.Reply{}, meaning("begin authentication", err)
		}
	}
	return e, reply, nil
}

// proceed fills in a Continue.
func (e *exchange) proceed(cookie string, offers []string, nonce *v1.Nonce, reply *provider.Reply) error {
	list := kinds(offers)
	e.opaque = slices.Contains(list, identity.PasswordByOPAQUE)
	list = slices.DeleteFunc(list, func(k identity.FactorKind) bool { return k == identity.PasswordByOPAQUE })
	if slices.Contains(list, identity.PIV) || slices.Contains(list, identity.NewPIV) {
		if len(nonce.GetValue()) != identity.NonceLen {
			return fmt.Errorf("a nonce of %d bytes for a card", len(nonce.GetValue()))
		}
		reply.Nonce = identity.Nonce{Value: [identity.NonceLen]byte(nonce.GetValue()), Time: nonce.GetTime()}
	}
	e.cookie, reply.Outcome, reply.Offers = cookie, provider.Continue, list
	return nil
}

func kinds(words []string) []identity.FactorKind {
	k := make([]identity.FactorKind, len(words))
	for i, w := range words {
		k[i] = identity.FactorKind(w)
	}
	return k
}

// Step implements provider.Exchange.
func (e *exchange) Step(ctx context.Context, a provider.Answer) (provider.Reply, error) {
	cookie := e.cookie
	e.cookie = "" // whatever happens, a cookie is used once
	if cookie == "" {
		return provider.Reply{}, nil
	}
	ctx, cancel := bounded(ctx, e.at.p.o.Timeouts.Call)
	defer cancel()
	resp, err := e.answer(ctx, cookie, a)
	if err != nil {
		e.password.Wipe()
		return provider.Reply{}, meaning("authenticate", err)
	}
	if resp.GetOutcome() != v1.Outcome_OUTCOME_CONTINUE {
		e.password.Wipe()
	}
	reply := provider.Reply{Message: resp.GetMessage(), Locked: resp.GetLocked(), Proved: resp.GetProved(), ServerTime: moment(resp.GetServerTime())}
	switch resp.GetOutcome() {
	case v1.Outcome_OUTCOME_ALLOW:
		if err := e.allowed(ctx, resp, &reply); err != nil {
			return provider.Reply{}, meaning("authenticate", err)
		}
	case v1.Outcome_OUTCOME_CONTINUE:
		if len(resp.GetOffers()) > 0 {
			if err := e.proceed(resp.GetSession(), resp.GetOffers(), resp.GetNonce(), &reply); err != nil {
				return provider.Reply{}, meaning("authenticate", err)
			}
			reply.OTPAuth = identity.NewSecret(resp.GetOtpauthUrl())
		}
	default: // whatever else it says is a no, which is the reply's zero value
	}
	return reply, nil
}

// answer sends one, and what the server asks for besides that nobody has to type.
func (e *exchange) answer(ctx context.Context, cookie string, a provider.Answer) (resp *v1.StepResponse, err error) {
	if e.opaque && (a.Kind == identity.Password || a.Kind == identity.PasswordAndTOTP) {
		resp, err = e.proves(ctx, cookie, a)
	} else {
		resp, err = e.step(ctx, &v1.StepRequest{Session: cookie, Kind: string(a.Kind), Credential: a.Credential.Reveal(), More: a.More})
	}
	if err == nil && resp.GetOutcome() == v1.Outcome_OUTCOME_CONTINUE && offers(resp, identity.NewPassword) {
		return e.registers(ctx, resp.GetSession())
	}
	return resp, err
}

// errStray says that the server knows nothing of the attempt: it was started anew, or
// another one answers at its address.
var errStray = errors.New("the server does not know of this attempt any more")

// step makes the request. Where the server is lost and another is left, and where the
// server knows of no such attempt, the error is a provider.AnewError.
func (e *exchange) step(ctx context.Context, req *v1.StepRequest) (*v1.StepResponse, error) {
	others := e.at.p.fleet.others(e.at)
	l := limit{}
	if e.at.p.fleet.upBeside(e.at) {
		l = limitOf(ctx, shareOnce)
	}
	var resp *v1.StepResponse
	t := e.at.try(ctx, l, func(ctx context.Context, at *endpoint) (err error) {
		resp, err = at.auth.Step(ctx, req)
		return err //nolint:wrapcheck // by the caller
	})
	switch {
	case t.lost && others:
		return nil, &provider.AnewError{Sent: t.sent && !onlyReads(t.err), Err: e.at.says(t.err)}
	case t.err != nil:
		return nil, t.err
	case resp.GetStray() && resp.GetOutcome() != v1.Outcome_OUTCOME_ALLOW:
		return nil, &provider.AnewError{Err: errStray}
	}
	return resp, nil
}

// allowed fills in an Allow, after checking all that it rests on.
func (e *exchange) allowed(ctx context.Context, resp *v1.StepResponse, reply *provider.Reply) error {
	r, err := e.at.record(ctx, resp.GetIdToken())
	if err != nil {
		return err
	}
	if r.Token.Account.Name != e.name {
		return fmt.Errorf("%w: it allowed another account than was asked for", provider.ErrUntrusted)
	}
	var session *identity.SessionToken
	err = e.at.check(ctx, func(ring *identity.Keyring) (err error) {
		session, err = ring.SessionToken(resp.GetSessionToken())
		return err
	})
	if err != nil {
		return err
	}
	p := e.at.p
	if session.Purpose != e.purpose {
		return fmt.Errorf("%w: it allowed for another purpose than was asked for", provider.ErrUntrusted)
	}
	now := p.o.Now()
	if err := session.Check(r.Token.Account.UUID, p.o.MachineID, now, clockSkew); err != nil {
		// It is new, and right for the server's time: then the clock here is not.
		if server := moment(resp.GetServerTime()); !server.IsZero() && session.Check(r.Token.Account.UUID, p.o.MachineID, server, clockSkew) == nil {
			return &provider.CauseError{Cause: trouble.ClockWrong, Places: https.ClockPlaces(now, server), Err: err}
		}
		return err
	}
	reply.Outcome, reply.Session, reply.SignedSession, reply.Record = provider.Allow, session, resp.GetSessionToken(), r
	for _, f := range resp.GetSealed() {
		reply.Sealed = append(reply.Sealed, provider.SealedFactor{
			Kind: identity.FactorKind(f.GetKind()), Epoch: f.GetEpoch(), Blob: f.GetBlob(), LastStep: f.GetLastStep(), SealedTo: f.GetSealingKey(),
		})
	}
	for _, c := range resp.GetBackupCodes() {
		reply.BackupCodes = append(reply.BackupCodes, identity.NewSecret(c))
	}
	return nil
}

// SetSealingKey implements provider.KeyRegistrar.
func (p *Provider) SetSealingKey(ctx context.Context, public []byte) error {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	err := p.ask(ctx, true, func(ctx context.Context, e *endpoint) error {
		_, err := e.machines.SetSealingKey(ctx, &v1.SetSealingKeyRequest{SealingKey: public})
		return err //nolint:wrapcheck // below
	})
	return meaning("register the sealing key", err)
}

// ChangePassword implements provider.PasswordChanger.
func (p *Provider) ChangePassword(ctx context.Context, name identity.Name, from identity.Origin, old, code, replacement identity.Secret) (provider.Record, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	if r, done, err := p.changesByOPAQUE(ctx, name, from, old, code, replacement); done {
		return r, err
	}
	var resp *v1.ChangePasswordResponse
	at, err := p.askAt(ctx, false, func(ctx context.Context, e *endpoint) (err error) {
		resp, err = e.auth.ChangePassword(ctx, &v1.ChangePasswordRequest{
			Name: string(name), OldPassword: old.Reveal(), Code: code.Reveal(), Origin: from.String(), NewPassword: replacement.Reveal(),
		})
		return err //nolint:wrapcheck // below
	})
	if connect.IsWireError(err) && connect.CodeOf(err) == connect.CodeFailedPrecondition {
		return provider.Record{}, fmt.Errorf("%w: %w", provider.ErrElsewhere, err)
	}
	if err != nil {
		return provider.Record{}, meaning("change password", err)
	}
	switch resp.GetResult() {
	case v1.ChangePasswordResponse_RESULT_CHANGED:
		return (&exchange{at: at, name: name}).changed(ctx, resp.GetIdToken())
	case v1.ChangePasswordResponse_RESULT_WEAK:
		return provider.Record{}, weak(resp.GetMessage())
	default:
		return provider.Record{}, fmt.Errorf("%w: %s", provider.ErrDenied, resp.GetMessage())
	}
}

// changed is the account with its new password.
func (e *exchange) changed(ctx context.Context, token []byte) (provider.Record, error) {
	r, err := e.at.record(ctx, token)
	if err == nil && r.Token.Account.Name != e.name {
		err = fmt.Errorf("%w: it changed another account than was asked for", provider.ErrUntrusted)
	}
	if err != nil {
		return provider.Record{}, meaning("change password", err)
	}
	return r, nil
}

// weak is why a new password is refused. Servers of before put words in front that the
// machine says as well.
func weak(message string) error {
	why := strings.TrimPrefix(strings.TrimSuffix(message, "."), provider.ErrWeak.Error()+": ")
	if why == "" {
		return provider.ErrWeak
	}
	return provider.WeakError(strings.ToUpper(why[:1]) + why[1:] + ".")
}
