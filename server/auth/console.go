package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// ConsoleActor is the console in the audit log.
const ConsoleActor = string(consoleClient)

// SignedIn is somebody who has proved at the console who they are. The zero value is nobody.
type SignedIn struct {
	Account uuid.UUID
	Name    identity.Name
	Methods []identity.FactorKind
	At      time.Time

	session *session
}

// ConsoleStep is where a step at the console led to: to a SignedIn, to offers that go on in
// the session, or to a denial with its message. The zero value is a denial.
type ConsoleStep struct {
	SignedIn *SignedIn
	Offers   []identity.FactorKind
	Session  string
	Message  string
	// Locked: too many wrong answers came from there.
	Locked bool
}

func theConsole() client { return client{kind: consoleClient, id: store.ConsoleClient} }

// ConsolePassword begins a sign-in at the console by its first step, for somebody at that
// address.
func (e *Engine) ConsolePassword(ctx context.Context, name identity.Name, host string, password identity.Secret) (ConsoleStep, error) {
	if e.Reads() != nil {
		return ConsoleStep{}, errChangesNothing
	}
	a, err := e.admit(&session{
		client: theConsole(), name: name, origin: identity.OriginOfHost(host).String(), service: ConsoleActor, remoteHost: realm.Clip(host),
	})
	if err != nil {
		return ConsoleStep{}, err
	}
	return e.consoleStep(ctx, a.cookie, identity.Password, password)
}

// ConsoleCode goes on with a sign-in by a code of either kind: by its form it is known which.
func (e *Engine) ConsoleCode(ctx context.Context, cookie string, offers []identity.FactorKind, code identity.Secret) (ConsoleStep, error) {
	kind := identity.TOTP
	if back, is := identity.ParseBackupCode(code); is && slices.Contains(offers, identity.BackupCode) || !slices.Contains(offers, identity.TOTP) {
		back.Wipe()
		kind = identity.BackupCode
	}
	return e.consoleStep(ctx, cookie, kind, code)
}

func (e *Engine) consoleStep(ctx context.Context, cookie string, kind identity.FactorKind, credential identity.Secret) (ConsoleStep, error) {
	a, err := e.step(ctx, theConsole(), cookie, kind, credential, false)
	if err != nil {
		return ConsoleStep{}, err
	}
	if !a.allow {
		return ConsoleStep{Offers: a.offers, Session: a.cookie, Message: a.message, Locked: a.locked}, nil
	}
	return ConsoleStep{SignedIn: a.signedIn}, nil
}

// StillSignedIn is the account of somebody who signed in at the console, if it is as good as
// then: in good standing, of the same name, and with the credentials that were proved. It is
// identity.ErrNotFound where it is not.
func (e *Engine) StillSignedIn(tx *store.Tx, who *SignedIn) (store.Account, error) {
	if who == nil || who.session == nil {
		return store.Account{}, identity.ErrNotFound
	}
	p, err := e.holds(tx, who.session)
	if errors.Is(err, store.ErrChanged) {
		err = identity.ErrNotFound
	}
	return p.Account, err
}
