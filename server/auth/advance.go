package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// advance goes on with what a step has proved: to the next offers, to what Begin
// asked to make or take away, or to the end.
func (t *attempt) advance(ctx context.Context, r result) (answer, error) {
	s, f := t.s, &t.f
	if why := Standing(f.account, t.Now()); why != "" {
		return t.deny(ctx, answer{message: why, reason: why})
	}
	s.proved = append(s.proved, r.proofs...)
	if s.changes {
		return t.change(ctx, r)
	}
	next := f.next(s, t.more)
	switch {
	case len(next) > 0:
		return t.offerNext(ctx, r, next)
	case !f.enough(s)(s.methods()):
		return t.cannot(ctx)
	case f.due(s) && (!s.asksNew || s.enrol != "" || s.remove != ""):
		return t.mustChange(ctx, r)
	case s.enrol != "" || s.remove != "":
		return t.alter(ctx, r)
	case t.registersNow():
		return t.offerNext(ctx, r, []identity.FactorKind{identity.NewPassword})
	default:
		s.due = f.due(s)
		return t.allow(ctx, s, func(tx *store.Tx, _ store.Account) error { return r.consume(tx) })
	}
}

// consume marks what was proved as used.
func (r result) consume(tx *store.Tx) error {
	if r.use == nil {
		return nil
	}
	return r.use(tx)
}

// offerNext offers what may come next. What was good only once is used by now: the
// session may never get to its end.
func (t *attempt) offerNext(ctx context.Context, r result, next []identity.FactorKind) (answer, error) {
	if err := t.consume(ctx, t.s, r); err != nil {
		return t.outdated(ctx, t.s, err)
	}
	return t.offer(t.s, next, answer{})
}

// offer lets a session wait for one of these kinds.
func (e *Engine) offer(s *session, kinds []identity.FactorKind, a answer) (answer, error) {
	if s.opaque && !s.plain && slices.Contains(kinds, identity.Password) {
		kinds = append(slices.Clone(kinds), identity.PasswordByOPAQUE)
	}
	s.offers, s.nonce, s.patience = kinds, identity.Nonce{}, 0
	for _, k := range kinds {
		by, ok := e.factors.of(k)
		if !ok {
			continue
		}
		if by.traits().signs {
			s.nonce = newNonce(e.Now())
		}
		s.patience = max(s.patience, by.traits().patience)
	}
	cookie, err := e.sessions.put(s, e.Now())
	if err != nil {
		return answer{}, err
	}
	a.offers, a.nonce, a.cookie = kinds, s.nonce, cookie
	return a, nil
}

// consume marks what was proved as used while the session goes on.
func (e *Engine) consume(ctx context.Context, s *session, r result) error {
	if r.use == nil {
		return nil
	}
	rec, cancel := recording(ctx)
	defer cancel()
	if d := e.Reads(); d != nil {
		err := e.Store.Read(rec, func(tx *store.Tx) error {
			_, err := e.holds(tx, s)
			return err
		})
		if err != nil {
			return err
		}
		defer d.Left.Notify()
		return d.Memory.Write(rec, r.use)
	}
	return e.Write(rec, func(tx *store.Tx) error {
		if _, err := e.holds(tx, s); err != nil {
			return err
		}
		return r.use(tx)
	})
}

// outdated ends a session whose account is no longer what it was judged by, or
// says what else went wrong.
func (e *Engine) outdated(ctx context.Context, s *session, err error) (answer, error) {
	var no realm.RefusalError
	switch {
	case errors.As(err, &no):
		return e.deny(ctx, s, answer{message: string(no), reason: string(no)})
	case errors.Is(err, store.ErrChanged), errors.Is(err, identity.ErrNotFound):
		return e.deny(ctx, s, answer{reason: "the account changed meanwhile"})
	default:
		return answer{}, err
	}
}

// cannot ends a session that proved all it can and still not enough.
func (t *attempt) cannot(ctx context.Context) (answer, error) {
	a := answer{reason: "what the account holds does not suffice"}
	if identity.Enough(t.f.held, t.s.methods()) {
		a.message = "This change takes a proof of at least equal strength, and the account has none. Ask your administrator."
	}
	return t.deny(ctx, a)
}

// Standing says, for someone who proved to be the account's owner, why it cannot
// be used; empty when it can.
func Standing(a store.Account, now time.Time) string {
	switch a.StandingAt(now) {
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
