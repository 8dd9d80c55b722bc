package auth

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
	"github.com/sallyport-auth/sallyport/server/store"
)

// passwordFactor is a password.
type passwordFactor struct{}

func (passwordFactor) traits() traits {
	return traits{kind: identity.Password, counted: identity.Password, first: true}
}

func (passwordFactor) held(p *store.Person) (held any, left bool) {
	if p.Password == nil {
		return nil, false
	}
	return *p.Password, true
}

// password is the account's; the zero value is nobody's.
func (f *facts) password() store.Password {
	p, _ := f.holds[identity.Password].(store.Password)
	return p
}

func (passwordFactor) step(ctx context.Context, t *attempt, password identity.Secret) (answer, error) {
	ok, rehash, err := t.provePassword(ctx, &t.f, password)
	if err != nil {
		return answer{}, err
	}
	switch {
	case t.f.locked(identity.Password):
		return t.locked(ctx)
	case !ok:
		return t.failed(ctx, identity.Password, "password")
	}
	return t.advance(ctx, t.f.provedPassword(rehash))
}

// provedPassword is a password that was proved, whose hash is to be replaced by
// rehash if there is one.
func (f *facts) provedPassword(rehash string) result {
	epoch := f.password().Epoch
	r := result{proofs: []proof{{kind: identity.Password, account: f.account.UUID, epoch: epoch}}}
	if rehash != "" {
		r.use = func(tx *store.Tx) error {
			return tx.Rehash(f.account.UUID, store.Password{PHC: rehash, Epoch: epoch})
		}
	}
	return r
}

// provePassword does the same work for everyone; while its passwords are locked the
// result is always no. rehash is set when a right password's hash is out of date.
func (e *Engine) provePassword(ctx context.Context, f *facts, password identity.Secret) (ok bool, rehash string, err error) {
	phc := f.hashed() // a registered password is never looked at
	if f.locked(identity.Password) {
		phc = ""
	}
	ok, outdated, err := e.hasher.verify(ctx, f.client, phc, password)
	if err == nil && outdated && e.Reads() == nil {
		rehash, err = e.hasher.hash(ctx, f.client, password)
	}
	if errors.Is(err, opaque.ErrUnusable) {
		err = nil // set before such characters were refused: it goes on as it is
	}
	return ok, rehash, err
}
