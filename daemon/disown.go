package daemon

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/cache"
)

// disown forgets every account whose remembered token does not verify any more: the
// realm took back the key that signed it, so nobody knows who said it. It is done
// before a list is read, whose tokens count only against what the realm still stands
// by: a forged one of a high revision would outlive the truth.
func (d *Daemon) disown(ctx context.Context) error {
	n := news{}
	err := d.o.Cache.Tokens(ctx, d.o.Provider.Name(), func(c cache.Token) error {
		if _, err := d.o.Provider.Verify(c.Signed); err != nil {
			n.gone = append(n.gone, c.UUID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget what is not vouched for: %w", err)
	}
	if len(n.gone) == 0 {
		return nil
	}
	d.log.WarnContext(ctx, "the realm took back a signing key: accounts that it vouched for are forgotten and asked for anew", "accounts", len(n.gone))
	n.after = d.kept.Load()
	n.contact = &cache.Contact{At: n.after.At} // what is left is not the whole list
	return d.learn(ctx, n)
}
