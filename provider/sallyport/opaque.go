package sallyport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/passwords"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// In a realm whose passwords are registered by OPAQUE (RFC 9807) a password is proved in two
// steps in place of one, and does not leave this machine. Whoever asks for a login need not
// know: to them it is one answer.
//
//	the server answers the first message   then
//	with its own                           the last message proves the password
//	with the offer of password again       it is hashed there: it is sent as it is, and
//	                                       registered when the server asks for that
//	with a denial                          that is the answer

// errNotBegun says that the server goes on with what nobody has begun.
var errNotBegun = errors.New("the server goes on with a password that nobody has begun to prove")

// hashing bounds the Argon2id computations of this machine for OPAQUE at a time.
type hashing chan struct{}

func newHashing() hashing { return make(hashing, runtime.NumCPU()) }

// in does the work when its turn has come.
func (h hashing) in(ctx context.Context, work func() ([]byte, error)) ([]byte, error) {
	select {
	case h <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("prove the password: %w", ctx.Err())
	}
	defer func() { <-h }()
	return work()
}

// newClient begins an exchange of OPAQUE with the realm.
func (e *exchange) newClient(ctx context.Context) (*pake.Client, error) {
	var realm string
	err := e.at.check(ctx, func(ring *identity.Keyring) error {
		realm = ring.Realm()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pake.ForLogins.NewClient(realm) //nolint:wrapcheck // it says what it is about
}

// form is the password as it is registered, in memory of its own. What cannot be registered
// is nobody's, and goes on as it is.
func form(typed identity.Secret) identity.Secret {
	prepared, err := opaque.Prepare(typed)
	if err != nil {
		return identity.NewSecret(bytes.Clone(typed.Reveal()))
	}
	return prepared
}

// reading is one way to read what was typed.
type reading struct {
	client *pake.Client
	first  []byte
}

func (e *exchange) read(ctx context.Context, typed identity.Secret) (r reading, err error) {
	if r.client, err = e.newClient(ctx); err != nil {
		return r, err
	}
	password := form(typed)
	defer password.Wipe()
	r.first, err = r.client.Login(password)
	return r, err //nolint:wrapcheck // it says what it is about
}

// proves answers by OPAQUE in place of a password.
func (e *exchange) proves(ctx context.Context, cookie string, a provider.Answer) (*v1.StepResponse, error) {
	whole, err := e.read(ctx, a.Credential)
	if err != nil {
		return nil, err
	}
	front, first := reading{}, identity.PasswordMessages{Whole: whole.first}
	password, code, two := identity.SplitCode(a.Credential)
	if two = two && a.Kind == identity.PasswordAndTOTP; two {
		if front, err = e.read(ctx, password); err != nil {
			return nil, err
		}
		first.Front = front.first
	}
	resp, err := e.sends(ctx, cookie, identity.PasswordByOPAQUE, first, a.More)
	switch {
	case err != nil || resp.GetOutcome() != v1.Outcome_OUTCOME_CONTINUE:
		return resp, err
	case !offers(resp, identity.PasswordProof):
		if !offers(resp, a.Kind) {
			return nil, errNotBegun
		}
		e.keep(a.Credential)
		return e.step(ctx, &v1.StepRequest{Session: resp.GetSession(), Kind: string(a.Kind), Credential: a.Credential.Reveal(), More: a.More})
	}
	ke2, err := identity.ParsePasswordMessages(resp.GetOpaque())
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	var last identity.PasswordMessages
	last.Whole, err = e.at.p.hashing.in(ctx, func() ([]byte, error) { return whole.client.Finish(ke2.Whole) })
	if errors.Is(err, pake.ErrWrong) && two && len(ke2.Front) > 0 {
		last.Code = code.Reveal()
		last.Front, err = e.at.p.hashing.in(ctx, func() ([]byte, error) { return front.client.Finish(ke2.Front) })
	}
	if err != nil && !errors.Is(err, pake.ErrWrong) {
		return nil, err
	}
	// Where none is right the server is told, and ends it.
	return e.sends(ctx, resp.GetSession(), identity.PasswordProof, last, a.More)
}

// keep keeps a password that the server may ask to be registered at the end.
func (e *exchange) keep(password identity.Secret) {
	e.password.Wipe()
	e.password = identity.NewSecret(bytes.Clone(password.Reveal()))
}

// registers makes the password that is kept one that is registered.
func (e *exchange) registers(ctx context.Context, cookie string) (*v1.StepResponse, error) {
	if e.password.Len() == 0 {
		return nil, errNotBegun
	}
	password := form(e.password)
	defer password.Wipe()
	client, err := e.newClient(ctx)
	if err != nil {
		return nil, err
	}
	first, err := client.Register(password)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	resp, err := e.sends(ctx, cookie, identity.NewPassword, identity.PasswordMessages{Whole: first}, false)
	if err != nil || resp.GetOutcome() != v1.Outcome_OUTCOME_CONTINUE || !offers(resp, identity.NewPasswordRecord) {
		return resp, err
	}
	answer, err := identity.ParsePasswordMessages(resp.GetOpaque())
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	record, err := e.at.p.hashing.in(ctx, func() ([]byte, error) { return client.Record(answer.Whole) })
	if err != nil {
		return nil, err
	}
	return e.sends(ctx, resp.GetSession(), identity.NewPasswordRecord, identity.PasswordMessages{Whole: record}, false)
}

func (e *exchange) sends(ctx context.Context, cookie string, kind identity.FactorKind, m identity.PasswordMessages, more bool) (*v1.StepResponse, error) {
	b, err := m.Encode()
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is about
	}
	return e.step(ctx, &v1.StepRequest{Session: cookie, Kind: string(kind), Credential: b.Reveal(), More: more})
}

func offers(resp *v1.StepResponse, kind identity.FactorKind) bool {
	return slices.Contains(resp.GetOffers(), string(kind))
}

// changesByOPAQUE changes a password in a realm whose passwords are registered. done is false
// where the realm, or its server, knows no such passwords.
func (p *Provider) changesByOPAQUE(ctx context.Context, name identity.Name, from identity.Origin, old, code, replacement identity.Secret) (r provider.Record, done bool, err error) {
	var begun *v1.BeginResponse
	at, err := p.askAt(ctx, true, func(ctx context.Context, e *endpoint) (err error) {
		begun, err = e.auth.Begin(ctx, &v1.BeginRequest{Name: string(name), Service: "change-password", Origin: from.String(), ChangesPassword: true})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return r, true, meaning("change password", err)
	}
	if begun.GetOutcome() != v1.Outcome_OUTCOME_CONTINUE || !slices.Contains(begun.GetOffers(), string(identity.PasswordByOPAQUE)) {
		return r, false, nil
	}
	e := &exchange{at: at, name: name}
	defer func() { e.password.Wipe() }()
	if err := e.suits(ctx, old, replacement, int(begun.GetPasswordMinLength())); err != nil {
		return r, true, err
	}
	resp, err := e.proves(ctx, begun.GetSession(), provider.Answer{Kind: identity.Password, Credential: old})
	if err == nil && resp.GetOutcome() == v1.Outcome_OUTCOME_CONTINUE && offers(resp, identity.TOTP) {
		if code.Len() == 0 {
			return r, true, provider.ErrElsewhere
		}
		resp, err = e.step(ctx, &v1.StepRequest{Session: resp.GetSession(), Kind: string(identity.TOTP), Credential: code.Reveal()})
	}
	if err == nil && resp.GetOutcome() == v1.Outcome_OUTCOME_CONTINUE && offers(resp, identity.NewPassword) {
		e.keep(replacement)
		resp, err = e.registers(ctx, resp.GetSession())
	}
	if err != nil {
		return r, true, meaning("change password", err)
	}
	if resp.GetOutcome() != v1.Outcome_OUTCOME_ALLOW {
		return r, true, fmt.Errorf("%w: %s", provider.ErrDenied, resp.GetMessage())
	}
	r, err = e.changed(ctx, resp.GetIdToken())
	return r, true, err
}

// suits judges a new password here, as the server never sees it.
func (e *exchange) suits(ctx context.Context, old, replacement identity.Secret, least int) error {
	if opaque.Same(old, replacement) {
		return provider.WeakError("That password is the old one.")
	}
	known, err := e.at.p.Fetch(ctx, e.name)
	if err != nil && !errors.Is(err, provider.ErrNotFound) {
		return err
	}
	s := passwords.Subject{Min: least, Name: e.name}
	if known.Token != nil {
		s.FullName, s.Realm = known.Token.Account.FullName, known.Token.Realm
	}
	if why, is := passwords.IsRefusal(passwords.Check(replacement, s, passwords.Open(""))); is {
		return provider.WeakError(why)
	}
	return nil
}
