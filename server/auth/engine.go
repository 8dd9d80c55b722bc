package auth

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/passwords"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// Limits of an authentication's result and of recording it.
const (
	sessionLife   = 8 * time.Hour
	recordTimeout = 10 * time.Second
)

// denial is what everyone is told whose proof was not accepted.
const denial = identity.Refused

// Engine runs stepped authentications. Its states are in the package comment.
type Engine struct {
	*realm.Realm
	factors  factors
	sessions *sessions
	hasher   *hasher
	common   *passwords.List
	// turns lets one step at a time work on a name, so that guesses sent at once are
	// counted one after the other and cannot outrun the locks; machines take turns.
	turns *fairs[identity.Name, uuid.UUID]
	// shares bound what one machine has under way; its origins take turns.
	shares *fairs[uuid.UUID, string]
	// dues are codes that count for a change of password.
	dues dueCodes
	// opaque is the realm's end of OPAQUE.
	opaque pake.Kept
}

// New authenticates the people of a realm. timeout is how long it waits for a next
// step; zero means two minutes.
func New(r *realm.Realm, timeout time.Duration) *Engine {
	if timeout == 0 {
		timeout = stepTimeout
	}
	return &Engine{
		Realm: r, factors: newFactors(), hasher: newHasher(owasp, runtime.NumCPU()), common: passwords.Open(r.CommonPasswordsFile()),
		sessions: newSessions(timeout, sessionsPerMachine), turns: newFairs[identity.Name, uuid.UUID](1, maxWaiting),
		shares: newFairs[uuid.UUID, string](machineShare, maxWaiting),
	}
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
	stray   bool   // there is no such session here, and nothing was checked
	reason  string // for the audit log only
	// With allow.
	session, id []byte
	signedIn    *SignedIn // at the console, in place of them
	sealed      []sealedFactor
	// codes are new backup codes.
	codes []identity.Secret
	// With the offer of a new secret: its otpauth:// address.
	url string
	// With an offer that goes on by OPAQUE: its messages.
	opaque []byte
}

// proved tells of a denial whether what was answered was right: only then is there
// another reason than that something was wrong.
func (a answer) proved() bool { return !a.allow && len(a.offers) == 0 && a.message != denial }

// What one machine may ask for at a time.
const (
	// machineShare is how many steps of a machine are worked on at once.
	machineShare = 8
	// maxWaiting is how many more of one origin wait for that; the rest is refused,
	// which is no answer: a machine goes on offline then.
	maxWaiting = 256
)

// turn waits until a step may be worked on, and reads what it is judged by. What is
// locked waits for no turn of its name's, and keeps none: a flood of it is in nobody's way.
func (e *Engine) turn(ctx context.Context, s *session, kind identity.FactorKind) (facts, func(), error) {
	if s.client.nobody() {
		return facts{}, nil, realm.ErrNotJoined
	}
	share, err := e.shares.take(ctx, s.client.id, s.origin)
	if err != nil {
		return facts{}, nil, err
	}
	name, free := e.turns.try(s.name)
	f, err := e.facts(ctx, s)
	if err == nil && !free && !f.locked(kind) {
		// Who had the turn may have changed what was read.
		if name, err = e.turns.take(ctx, s.name, s.client.id); err == nil {
			free = true
			f, err = e.facts(ctx, s)
		}
	}
	done := func() {
		if free {
			name()
		}
		share()
	}
	switch {
	case err != nil:
		done()
		return facts{}, nil, err
	case free && f.locked(kind):
		name()
		return f, share, nil
	default:
		return f, done, nil
	}
}

// admit lets a session wait for its first step. It offers the same to every name.
func (e *Engine) admit(s *session) (answer, error) {
	if s.client.nobody() {
		return answer{}, realm.ErrNotJoined
	}
	if s.origin == "" { // which would be all origins
		s.origin = identity.Origin{}.String()
	}
	s.begun = e.Now()
	return e.offer(s, e.factors.kinds(isFirst), answer{})
}

// step moves a session on by one credential, or ends it. more asks to go on when it
// could end.
func (e *Engine) step(ctx context.Context, c client, cookie string, kind identity.FactorKind, credential identity.Secret, more bool) (answer, error) {
	s, ok := e.sessions.take(cookie, c, e.Now())
	if !ok || !slices.Contains(s.offers, kind) {
		if s == nil {
			return e.strayed(ctx, c)
		}
		return e.deny(ctx, s, answer{reason: "not what was offered, or too late"})
	}
	f, done, err := e.turn(ctx, s, kind)
	if err != nil {
		return answer{}, err
	}
	defer done()
	by, ok := e.factors.of(kind)
	if !ok {
		return e.deny(ctx, s, answer{reason: "an offer without a step"})
	}
	a, err := by.step(ctx, &attempt{Engine: e, s: s, f: f, more: more}, credential)
	if err == nil && !f.known && e.Reads() != nil {
		return answer{}, errUnknownHere
	}
	return a, err
}
