package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// ForgetAccount drops one account, its verifiers and its numbers. Where the
// provider lists accounts, the list is read again.
func (d *Resolver) ForgetAccount(ctx context.Context, e *directory.Entry) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	id, own := e.Account().UUID, uuid.Nil
	if groups := d.index.GroupsOf(e); len(groups) > 0 {
		own = groups[0].UUID
	}
	if err := d.o.Cache.Forget(ctx, id, own); err != nil {
		return fmt.Errorf("cache forget: %w", err)
	}
	d.index.Forget(id, own)
	d.o.Proofs.Forget(id)
	d.refused.set(id, "", "")
	d.leftOut.set(id, "", "")
	d.announce()
	return d.readAgain(ctx, listAgain(*d.kept.Load()))
}

// ForgetEverything drops every account, and how far this machine has heard. Failures and
// locks stay.
func (d *Resolver) ForgetEverything(ctx context.Context) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.o.Cache.Clear(ctx); err != nil {
		return fmt.Errorf("cache clear: %w", err)
	}
	d.index.Clear()
	d.refused.clear()
	d.refusedGroups.clear()
	d.leftOut.clear()
	d.absent.clear()
	d.o.Proofs.ForgetAll()
	d.announce()
	k := listAgain(*d.kept.Load())
	k.Position, k.History = 0, uuid.Nil
	d.heard.set(provider.Position{})
	return d.readAgain(ctx, k)
}

// readAgain makes the next contact begin with the whole list; the caller holds
// d.writing. Until then an absent name is not known to be absent.
func (d *Resolver) readAgain(ctx context.Context, k cache.Contact) error {
	if k.At.IsZero() {
		k.At = time.Unix(0, 0)
	}
	d.kept.Store(&k)
	d.restand()
	err := d.o.Cache.Apply(ctx, cache.Batch{Realm: d.o.Realm, Contact: &k})
	d.endStream(errRelist)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// endStream ends the change stream for a reason, if there is one.
func (d *Resolver) endStream(why error) {
	if cancel := d.relist.Load(); cancel != nil {
		(*cancel)(why)
	}
}

// KeepVerifier stores a verifier unless a newer token has ended that credential, or the
// account itself, while it was made.
func (d *Resolver) KeepVerifier(ctx context.Context, v cache.Verifier) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	e := d.index.WithUUID(v.UUID)
	if e == nil || e.State() != identity.Active || e.Blocked() != "" {
		return errors.New("the account changed meanwhile")
	}
	if epoch, ok := e.Epoch(v.Kind); !ok || epoch != v.Epoch {
		return errors.New("the password changed meanwhile")
	}
	if err := d.o.Cache.PutVerifier(ctx, v); err != nil {
		return fmt.Errorf("keep verifier: %w", err)
	}
	return nil
}
