package server

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of an authentication's result and of recording it.
const (
	sessionLife   = 8 * time.Hour
	recordTimeout = 10 * time.Second
)

// denial is what everyone is told whose proof was not accepted.
const denial = "Sign-in refused."

// engine runs stepped authentications. Its states are in the package comment.
type engine struct {
	*realm
	sessions *sessions
	turns    *turns
}

func newEngine(r *realm, timeout time.Duration) *engine {
	return &engine{realm: r, sessions: newSessions(timeout, sessionsPerMachine), turns: newTurns()}
}

// answer is where a step led to. The zero value is a denial.
type answer struct {
	allow  bool
	offers []identity.FactorKind // with a cookie: go on
	cookie string
	nonce  identity.Nonce // with the offer of a card
	// With a denial.
	message string
	locked  bool
	reason  string // for the audit log only
	// With allow.
	session, id []byte
	sealed      []sealedFactor
	// codes are new backup codes.
	codes []identity.Secret
	// With the offer of a new secret: its otpauth:// address.
	url string
}

// admit lets a session wait for its first step. It offers the same to every name.
func (e *engine) admit(s *session) (answer, error) {
	s.begun = e.now()
	return e.offer(s, []identity.FactorKind{identity.Password, identity.PasswordAndTOTP, identity.PIV}, answer{})
}

// step moves a session on by one credential, or ends it. more asks to go on when it
// could end.
func (e *engine) step(ctx context.Context, m store.Machine, cookie string, kind identity.FactorKind, credential identity.Secret, more bool) (answer, error) {
	s, ok := e.sessions.take(cookie, m.UUID, e.now())
	if !ok || !slices.Contains(s.offers, kind) {
		if s == nil {
			s = &session{}
		}
		return e.deny(ctx, m, s, answer{reason: "no such session, or not what was offered"})
	}
	done, err := e.turns.take(ctx, s.name)
	if err != nil {
		return answer{}, err
	}
	defer done()
	f, err := e.facts(ctx, s.name)
	if err != nil {
		return answer{}, err
	}
	switch kind {
	case identity.Password:
		return e.stepPassword(ctx, m, s, f, credential, more)
	case identity.PasswordAndTOTP:
		return e.stepOneLine(ctx, m, s, f, credential, more)
	case identity.TOTP:
		return e.stepTOTP(ctx, m, s, f, credential, more)
	case identity.BackupCode:
		return e.stepBackupCode(ctx, m, s, f, credential, more)
	case identity.PIV:
		return e.stepPIV(ctx, m, s, f, credential, more)
	case identity.NewTOTP:
		return e.confirmTOTP(ctx, m, s, credential)
	case identity.NewPIV:
		return e.takeCard(ctx, m, s, f, credential)
	default:
		return e.deny(ctx, m, s, answer{reason: "an offer without a step"})
	}
}
