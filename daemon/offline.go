package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/seal"
)

// hashed gives the place back, and with the last one the memory: what a hash has
// filled is garbage many times the size of all that the daemon keeps, and the
// runtime would hold it for minutes.
func (d *Gate) hashed(kib uint32) {
	<-d.hashing
	if kib >= 1<<10 && len(d.hashing) == 0 {
		go debug.FreeOSMemory()
	}
}

const (
	saltLen   = 16
	maxMemory = 4 << 20 // KiB; a row that asks for more is damaged
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
	epoch, ok := e.Epoch(identity.Password)
	if !ok || e.OfflineFor() == 0 || password.Len() == 0 {
		return
	}
	a := d.p.Argon
	key, err := seal.KeyID(ctx, d.o.Sealer)
	if err != nil {
		d.log.ErrorContext(ctx, "no offline verifier is kept: this account cannot log in offline", "account", e.Account().Name, "error", err)
		return
	}
	old, err := d.o.Cache.Verifier(ctx, id, identity.Password)
	if err == nil && !seal.MadeBefore(d.o.Sealer, old.Made) && bytes.Equal(old.Key, key) && old.Epoch == epoch && old.Memory == a.Memory && old.Time == a.Time && old.Threads == a.Threads &&
		!d.outdated(ctx, old, password) {
		return
	}
	v := cache.Verifier{
		UUID: id, Kind: identity.Password, Epoch: epoch, Salt: make([]byte, saltLen),
		Memory: a.Memory, Time: a.Time, Threads: a.Threads, Made: d.Clock().Now(), Key: key,
	}
	_, _ = rand.Read(v.Salt) // never fails, see crypto/rand
	if v.MAC, err = d.freshVerifier(ctx, v, password); err == nil {
		err = d.KeepVerifier(ctx, v)
	}
	if err != nil {
		d.log.ErrorContext(ctx, "no offline verifier is kept: this account cannot log in offline", "account", e.Account().Name, "error", err)
	}
}

// freshVerifier leaves a place for those who wait for their answer: of the two
// that hash at a time, at most one makes a verifier.
func (d *Gate) freshVerifier(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	select {
	case d.maker <- struct{}{}:
		defer func() { <-d.maker }()
	case <-ctx.Done():
		return nil, fmt.Errorf("verifier: %w", ctx.Err())
	}
	return d.verifier(ctx, v, password)
}
