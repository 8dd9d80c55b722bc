package daemon

import (
	"bytes"
	"context"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
)

// Making a verifier is not hurried: a crowd that logs in must get its answers
// first. See docs/decisions/0002-fifty-milliseconds.md.
const (
	// makeWait is how long a login waits for its verifier, or for the end of one.
	makeWait = time.Second
	// makePending is how many may wait to be made after their logins were answered.
	makePending = 256
)

// succeeded clears the failures and makes the offline verifier, unless there is
// one of this very password. Neither can undo a login: what goes wrong is logged.
// It may still be at work when it returns, with a copy of the password.
func (d *Gate) succeeded(ctx context.Context, e *directory.Entry, from identity.Origin, password identity.Secret) {
	select {
	case d.making <- struct{}{}:
	default:
		d.log.WarnContext(ctx, "too many offline verifiers are being made; none for this login", "account", e.Account().Name)
		return
	}
	d.withPassword(ctx, password, func(ctx context.Context, own identity.Secret) {
		defer func() { <-d.making }()
		d.remember(ctx, e, from, own)
	})
}

// withPassword does work that hashes a password, with a copy that is wiped after it,
// and waits for it no longer than a login shall. It may still be at work then, for as
// long as the daemon lives.
func (d *Gate) withPassword(ctx context.Context, password identity.Secret, work func(context.Context, identity.Secret)) {
	own := identity.NewSecret(bytes.Clone(password.Reveal()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer own.Wipe()
		work(d.Life(), own)
	}()
	patience := time.NewTimer(makeWait)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
	case <-ctx.Done():
	}
}

// remember is what follows a success.
func (d *Gate) remember(ctx context.Context, e *directory.Entry, from identity.Origin, password identity.Secret) {
	id := e.Account().UUID
	unlock, err := d.tries.Lock(ctx, id)
	if err != nil {
		return
	}
	defer unlock()
	d.tries.SignedIn(ctx, id, from, lockout.All()...)
	if _, held := e.Epoch(identity.Password); !held || e.OfflineFor() == 0 || password.Len() == 0 {
		return
	}
	if err := d.verifiers.Renew(ctx, e, password, func(old cache.Verifier) bool { return d.outdated(ctx, old, password) }); err != nil {
		d.log.ErrorContext(ctx, "no offline verifier is kept: this account cannot log in offline", "account", e.Account().Name, "error", err)
	}
}
