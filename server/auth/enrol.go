package auth

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// What people are told when what they asked for is not done.
const (
	errNoSuchFactor = realm.RefusalError("The account has no such factor. Nothing was changed.")
	errOnlyWay      = realm.RefusalError("It is the only way into the account. Nothing was changed.")
)

// alter makes or takes away the factor that Begin named. What was proved is used
// first, so that it is used also when nothing comes of this.
func (t *attempt) alter(ctx context.Context, r result) (answer, error) {
	if err := t.consume(ctx, t.s, r); err != nil {
		return t.outdated(ctx, t.s, err)
	}
	if t.s.remove != "" {
		return t.allow(ctx, t.s, func(tx *store.Tx, a store.Account) error { return t.takeAway(tx, t.s, a) })
	}
	f, _ := t.factors.of(t.s.enrol)
	if able, ok := f.(alterable); ok {
		return able.enrol(ctx, t)
	}
	return t.deny(ctx, answer{reason: "nothing of that kind is made or taken away"})
}

// takeAway removes the factor that Begin named, unless it is the only way in.
func (e *Engine) takeAway(tx *store.Tx, s *session, account store.Account) error {
	err := identity.ErrNotFound
	f, _ := e.factors.of(s.remove)
	if able, ok := f.(alterable); ok {
		err = able.remove(tx, s, account.UUID)
	}
	if errors.Is(err, identity.ErrNotFound) {
		return errNoSuchFactor
	}
	if err != nil {
		return err
	}
	factors, err := tx.Factors(account.UUID)
	if err != nil {
		return err
	}
	if rest := identity.Kinds(factors); !identity.Enough(rest, rest) {
		return errOnlyWay
	}
	return tx.Record(entry(e.Now(), "account.remove-"+string(s.remove), s, ""))
}
