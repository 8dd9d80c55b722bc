package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// factor is one way to prove who one is, or the last step on the way to have a new one.
// Each has a file of its own and a row in newFactors; what else it can do is told by the
// interfaces below.
type factor interface {
	traits() traits
	// step judges what somebody answered. It ends by t.advance, t.deny or t.failed.
	step(ctx context.Context, t *attempt, credential identity.Secret) (answer, error)
}

// traits are what the engine has to know of a factor beforehand.
type traits struct {
	kind identity.FactorKind
	// counted is the kind for which its wrong answers are counted, and which locks it; ""
	// where a wrong answer is no failure.
	counted identity.FactorKind
	// first: it is offered to every name when a session begins.
	first bool
	// signs: its answer is to a challenge with the nonce of this step.
	signs bool
	// patience is how long somebody may take to answer, where that is longer than usual.
	patience time.Duration
	// several: an account may hold more than one, so the one to take away is named.
	several bool
}

// holder is a factor that accounts hold.
type holder interface {
	// held returns what somebody holds of it, for the factor's own steps, and whether
	// anything of it is left to be asked for.
	held(p *store.Person) (held any, left bool)
}

// alterable is a factor that people make and take away by themselves.
type alterable interface {
	// enrol begins to make one: the session has proved enough for it.
	enrol(ctx context.Context, t *attempt) (answer, error)
	// remove takes it away; identity.ErrNotFound where there is none.
	remove(tx *store.Tx, s *session, account uuid.UUID) error
}

// sealer is a factor whose secret a client may hold, to check it without the server.
type sealer interface {
	// seal returns what the client is given after that factor was proved on it, if
	// anything.
	seal(e *Engine, tx *store.Tx, s *session, a store.Account) ([]sealedFactor, error)
}

// factors is the table of all there are.
type factors []factor

// newFactors are those of this server, in the order in which they are listed to people.
func newFactors() factors {
	return factors{
		passwordFactor{},
		concatenatedFactor{},
		totpFactor{},
		pivFactor{},
		backupCodeFactor{},
		newTOTPFactor{},
		newPIVFactor{},
		opaqueFactor{},
		proofFactor{},
		newPasswordFactor{},
		recordFactor{},
	}
}

// of returns the factor of a kind.
func (l factors) of(kind identity.FactorKind) (factor, bool) {
	at := slices.IndexFunc(l, func(f factor) bool { return f.traits().kind == kind })
	if at < 0 {
		return nil, false
	}
	return l[at], true
}

// kinds lists those of which that is so.
func (l factors) kinds(is func(factor) bool) []identity.FactorKind {
	var list []identity.FactorKind
	for _, f := range l {
		if is(f) {
			list = append(list, f.traits().kind)
		}
	}
	return list
}

// counted is the kind that failures of a kind are counted for.
func (l factors) counted(kind identity.FactorKind) identity.FactorKind {
	if f, ok := l.of(kind); ok {
		return f.traits().counted
	}
	return kind
}

func isAlterable(f factor) bool { _, yes := f.(alterable); return yes }

func isFirst(f factor) bool { return f.traits().first }
