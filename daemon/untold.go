package daemon

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
)

// A provider that is not told when a password changes gives it the same epoch for
// ever. Then what the server says of the password itself is all that there is:
//
//	the server says    the verifier is of     then
//	yes                that password          it stays
//	yes                another                it is made anew
//	no                 that password          it is gone, and so is what was proved
//	no                 another                it stays
//
// A no may be a soft lock's. That costs a verifier, and one login online makes it
// again: the other way round an old password would go on working.

func (d *Daemon) untold() bool {
	_, is := d.o.Provider.(provider.Untold)
	return is
}

// outdated tells whether the verifier is of another password than the one that the
// server has just accepted. A check that fails is no reason to make it anew.
func (d *Daemon) outdated(ctx context.Context, v cache.Verifier, password identity.Secret) bool {
	if !d.untold() {
		return false
	}
	right, err := d.checkVerifier(ctx, v, password)
	return err == nil && !right
}

// endRefused ends the verifier of a password that the server has just refused. It
// may still be at work when it returns.
func (s *login) endRefused(ctx context.Context) {
	d, e := s.d, s.q.e
	if !d.untold() || s.secret.Len() == 0 || s.code.Len() > 0 || s.backup.Len() > 0 {
		return // with a code beside it, the no may be that one's
	}
	d.proofs.forget(e.account.UUID, nil)
	d.withPassword(ctx, s.secret, func(ctx context.Context, own identity.Secret) { d.endVerifier(ctx, e, own) })
}

func (d *Daemon) endVerifier(ctx context.Context, e *entry, password identity.Secret) {
	id := e.account.UUID
	unlock, err := d.tries.lock(ctx, id)
	if err != nil {
		return
	}
	defer unlock()
	v, err := d.o.Cache.Verifier(ctx, id, identity.Password)
	if errors.Is(err, identity.ErrNotFound) {
		return
	}
	// What cannot be checked could be of that very password.
	right := err == nil && seal.Lost(ctx, d.o.Sealer, v.Key)
	if err == nil && !right {
		right, err = d.checkVerifier(ctx, v, password)
	}
	if err == nil && !right {
		return
	}
	if err := errors.Join(err, d.o.Cache.DeleteVerifiers(ctx, id)); err != nil {
		d.log.ErrorContext(ctx, "the verifier of a password that was refused", "account", e.account.Name, "error", err)
		return
	}
	d.log.InfoContext(ctx, "the server refuses a password that was right before: it works offline no more", "account", e.account.Name)
}
