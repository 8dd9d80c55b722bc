package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// advance goes on with what a step has proved: to the next offers, to what Begin
// asked to make or take away, or to the end.
func (e *engine) advance(ctx context.Context, s *session, f facts, g gain, more bool) (answer, error) {
	if why := standing(f.account, e.now()); why != "" {
		return e.deny(ctx, s, answer{message: why, reason: why})
	}
	s.proved = append(s.proved, g.proofs...)
	next := f.next(s, more)
	switch {
	case len(next) > 0:
		return e.goOn(ctx, s, g, next)
	case !f.enough(s)(s.methods()):
		return e.cannot(ctx, s, f)
	case f.due(s) && (!s.asksNew || s.enrol != "" || s.remove != ""):
		return e.mustChange(ctx, s, g)
	case s.enrol != "" || s.remove != "":
		return e.alter(ctx, s, g)
	default:
		s.due = f.due(s)
		return e.allow(ctx, s, func(tx *store.Tx, _ store.Account) error { return g.mark(tx) })
	}
}

func (g gain) mark(tx *store.Tx) error {
	if g.use == nil {
		return nil
	}
	return g.use(tx)
}

// goOn offers what may come next. What was good only once is used by now: the
// session may never get to its end.
func (e *engine) goOn(ctx context.Context, s *session, g gain, next []identity.FactorKind) (answer, error) {
	if err := e.spend(ctx, s, g); err != nil {
		return e.outdated(ctx, s, err)
	}
	return e.offer(s, next, answer{})
}

// offer lets a session wait for one of these kinds.
func (e *engine) offer(s *session, kinds []identity.FactorKind, a answer) (answer, error) {
	s.offers, s.nonce = kinds, identity.Nonce{}
	if slices.Contains(kinds, identity.PIV) || slices.Contains(kinds, identity.NewPIV) {
		s.nonce = newNonce(e.now())
	}
	cookie, err := e.sessions.put(s, e.now())
	if err != nil {
		return answer{}, err
	}
	a.offers, a.nonce, a.cookie = kinds, s.nonce, cookie
	return a, nil
}

// spend marks what was proved as used while the session goes on.
func (e *engine) spend(ctx context.Context, s *session, g gain) error {
	if g.use == nil {
		return nil
	}
	rec, cancel := recording(ctx)
	defer cancel()
	return e.write(rec, func(tx *store.Tx) error {
		if _, _, err := e.holds(tx, s); err != nil {
			return err
		}
		return g.use(tx)
	})
}

// outdated ends a session whose account is no longer what it was judged by, or
// says what else went wrong.
func (e *engine) outdated(ctx context.Context, s *session, err error) (answer, error) {
	var no refusal
	switch {
	case errors.As(err, &no):
		return e.deny(ctx, s, answer{message: string(no), reason: string(no)})
	case errors.Is(err, store.ErrChanged), errors.Is(err, identity.ErrNotFound):
		return e.deny(ctx, s, answer{reason: "the account changed meanwhile"})
	default:
		return answer{}, err
	}
}

// refusal is why something that was asked for is not done, for the person.
type refusal string

func (r refusal) Error() string { return string(r) }

// cannot ends a session that proved all it can and still not enough.
func (e *engine) cannot(ctx context.Context, s *session, f facts) (answer, error) {
	a := answer{reason: "what the account holds does not suffice"}
	if identity.Enough(f.held, s.methods()) {
		a.message = "This takes a proof as strong as what is to change, and the account has none. Ask your administrator."
	}
	return e.deny(ctx, s, a)
}

// standing says, for someone who proved to be the account's owner, why it cannot
// be used; empty when it can.
func standing(a store.Account, now time.Time) string {
	t := identity.IDToken{State: a.State, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil}
	switch t.StandingAt(now) {
	case identity.Good:
		return ""
	case identity.NotYetValid:
		return "This account is not valid yet. Ask your administrator."
	case identity.Expired:
		return "This account has expired. Ask your administrator."
	default:
		return "This account is disabled. Ask your administrator."
	}
}
