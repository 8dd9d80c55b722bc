package resolver

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
)

// Disown forgets every account whose remembered token does not verify any more: the
// realm took back the key that signed it, so nobody knows who said it. It is done
// before a list is read, whose tokens count only against what the realm still stands
// by: a forged one of a high revision would outlive the truth.
func (d *Resolver) Disown(ctx context.Context) error {
	n := Update{}
	err := d.o.Cache.Tokens(ctx, d.o.Realm, func(c cache.Token) error {
		if _, err := d.o.Provider.Verify(c.Signed); err != nil {
			n.Gone = append(n.Gone, c.UUID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget what is not vouched for: %w", err)
	}
	if len(n.Gone) == 0 {
		return nil
	}
	d.log.WarnContext(ctx, "the realm took back a signing key: accounts that it vouched for are forgotten and asked for anew", "accounts", len(n.Gone))
	n.After = d.kept.Load()
	k := listAgain(*n.After) // what is left is not the whole list
	n.Contact = &k
	return d.Apply(ctx, n)
}

// keeps lists the verifiers that may live on beside a token. Until what the realm
// disowned is forgotten, none may: they may be of a password that a forger let in, and
// the true token that comes with a login has the same epoch.
func (d *Resolver) keeps(t *identity.IDToken) []cache.Epoch {
	if p := d.o.Provider.Disowner; p != nil && p.Disowning() {
		return nil
	}
	return keep(t)
}
