package auth

import (
	"context"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// attempt is one step that is worked on: whose session it is of, and what it is judged by.
type attempt struct {
	*Engine
	s *session
	f facts
	// more asks to go on when the session could end.
	more bool
}

// result is what a step has proved.
type result struct {
	proofs []proof
	// use marks what is good only once as used; nil when there is no such thing.
	use func(*store.Tx) error
}

// deny ends the session without counting a failure.
func (t *attempt) deny(ctx context.Context, a answer) (answer, error) {
	return t.Engine.deny(ctx, t.s, a)
}

// failed ends the session with a wrong answer of that kind.
func (t *attempt) failed(ctx context.Context, kind identity.FactorKind, reason string) (answer, error) {
	return t.Engine.failed(ctx, t.s, kind, reason)
}

// locked refuses a kind that failures have locked.
func (t *attempt) locked(ctx context.Context) (answer, error) {
	return t.deny(ctx, answer{locked: true, reason: "locked"})
}
