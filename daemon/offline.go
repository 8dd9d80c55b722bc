package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/seal"
)

// What failures are counted for.
const (
	kindOffline = "password" // answers checked here
	kindCode    = "totp"     // one-time codes checked here
	kindCard    = "piv"      // signatures of cards checked here; wrong PINs the card counts itself
	kindLocker  = "locker"   // attempts by a peer that is not root
)

// countedAs is what failures of a factor are counted for.
func countedAs(k identity.FactorKind) string {
	switch k {
	case identity.TOTP:
		return kindCode
	case identity.PIV:
		return kindCard
	default:
		return kindOffline
	}
}

// reserve counts an attempt as failed before it is made, so that neither a crash
// nor many at once get more tries than one by one. A count that cannot be stored
// is no attempt. The caller holds the account's lock.
func (d *Daemon) reserve(ctx context.Context, id uuid.UUID, kind string) ruling {
	f, err := d.o.Cache.Failures(ctx, id, kind)
	if err != nil {
		return uncounted(err)
	}
	now := d.clock.now()
	if now.Before(f.LockedUntil) {
		return locked(f.LockedUntil.Sub(now))
	}
	// Not before: guesses at a locked account shall cost no write.
	if err := d.clock.keep(ctx); err != nil {
		return uncounted(err)
	}
	f.Count++
	f.Last, f.LockedUntil = now, time.Unix(0, 0)
	if f.Count >= d.p.OfflineTries {
		f.LockedUntil = now.Add(d.lockFor(f.Count))
	}
	if err := d.o.Cache.SetFailures(ctx, id, kind, f); err != nil {
		return uncounted(err)
	}
	return ruling{code: identity.Granted}
}

// reserveAlone is reserve for a caller without the lock.
func (d *Daemon) reserveAlone(ctx context.Context, id uuid.UUID, kind string) ruling {
	unlock, err := d.tries.lock(ctx, id)
	if err != nil {
		return ruling{code: identity.Unavailable}
	}
	defer unlock()
	return d.reserve(ctx, id, kind)
}

// unreserve takes back what reserve counted for an attempt that came to no answer
// to any question, because the server was not there to ask one.
func (d *Daemon) unreserve(ctx context.Context, id uuid.UUID, kind string) {
	unlock, err := d.tries.lock(ctx, id)
	if err != nil {
		return // it stays counted
	}
	defer unlock()
	f, err := d.o.Cache.Failures(ctx, id, kind)
	if err == nil && f.Count > 0 {
		f.Count--
		f.LockedUntil = time.Unix(0, 0) // it had passed, or nothing would have been counted
		err = d.o.Cache.SetFailures(ctx, id, kind, f)
	}
	if err != nil {
		d.log.WarnContext(ctx, "a failure stays counted", "error", err)
	}
}

// lockFor doubles with every failure from the limit on.
func (d *Daemon) lockFor(count int) time.Duration {
	lock := d.p.LockMin
	for ; count > d.p.OfflineTries && lock < d.p.LockMax; count-- {
		lock *= 2
	}
	return min(lock, d.p.LockMax)
}

func locked(left time.Duration) ruling {
	return ruling{
		code: identity.TooManyTries, tell: true, detail: "Too many wrong answers.",
		mend: "Try again in " + friendly(left+time.Second-1) + ".",
	}
}

func uncounted(err error) ruling {
	r := ruling{code: identity.Unavailable, tell: true, detail: "Attempts cannot be counted here, so none is allowed."}
	r.mend = "Look at the log of sallyportd."
	if errors.Is(err, cache.ErrFull) {
		r.mend = "The disk is full: free some space."
	}
	return r
}

// hashed gives the place back, and with the last one the memory: what a hash has
// filled is garbage many times the size of all that the daemon keeps, and the
// runtime would hold it for minutes.
func (d *Daemon) hashed(kib uint32) {
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
func (d *Daemon) succeeded(ctx context.Context, e *entry, password identity.Secret) {
	select {
	case d.making <- struct{}{}:
	default:
		d.log.WarnContext(ctx, "too many offline verifiers are being made; none for this login", "account", e.account.Name)
		return
	}
	d.withPassword(ctx, password, func(ctx context.Context, own identity.Secret) {
		defer func() { <-d.making }()
		d.remember(ctx, e, own)
	})
}

// withPassword does work that hashes a password, with a copy that is wiped after it,
// and waits for it no longer than a login shall. It may still be at work then, for as
// long as the daemon lives.
func (d *Daemon) withPassword(ctx context.Context, password identity.Secret, work func(context.Context, identity.Secret)) {
	own := identity.NewSecret(bytes.Clone(password.Reveal()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer own.Wipe()
		work(d.base, own)
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
func (d *Daemon) remember(ctx context.Context, e *entry, password identity.Secret) {
	id := e.account.UUID
	unlock, err := d.tries.lock(ctx, id)
	if err != nil {
		return
	}
	defer unlock()
	if err := d.clearFailures(ctx, id); err != nil {
		d.log.WarnContext(ctx, "failures are not cleared", "error", err)
	}
	epoch, ok := e.epoch(identity.Password)
	if !ok || e.offlineFor == 0 || password.Len() == 0 {
		return
	}
	a := d.p.Argon
	old, err := d.o.Cache.Verifier(ctx, id, identity.Password)
	if err == nil && !seal.MadeBefore(d.o.Sealer, old.Made) && old.Epoch == epoch && old.Memory == a.Memory && old.Time == a.Time && old.Threads == a.Threads &&
		!d.outdated(ctx, old, password) {
		return
	}
	v := cache.Verifier{
		UUID: id, Kind: identity.Password, Epoch: epoch, Salt: make([]byte, saltLen),
		Memory: a.Memory, Time: a.Time, Threads: a.Threads, Made: d.clock.now(),
	}
	_, _ = rand.Read(v.Salt) // never fails, see crypto/rand
	if v.MAC, err = d.freshVerifier(ctx, v, password); err == nil {
		err = d.keepVerifier(ctx, v)
	}
	if err != nil {
		d.log.ErrorContext(ctx, "no offline verifier is kept: this account cannot log in offline", "account", e.account.Name, "error", err)
	}
}

// freshVerifier leaves a place for those who wait for their answer: of the two
// that hash at a time, at most one makes a verifier.
func (d *Daemon) freshVerifier(ctx context.Context, v cache.Verifier, password identity.Secret) ([]byte, error) {
	select {
	case d.maker <- struct{}{}:
		defer func() { <-d.maker }()
	case <-ctx.Done():
		return nil, fmt.Errorf("verifier: %w", ctx.Err())
	}
	return d.verifier(ctx, v, password)
}

// clearFailures writes only when there is something to clear.
func (d *Daemon) clearFailures(ctx context.Context, id uuid.UUID) error {
	for _, kind := range []string{kindOffline, kindCode, kindCard, kindLocker} {
		if f, err := d.o.Cache.Failures(ctx, id, kind); err != nil || f.Count > 0 {
			return errors.Join(err, d.o.Cache.ClearFailures(ctx, id))
		}
	}
	return nil
}

// keepVerifier stores it unless a newer token has ended that credential while it
// was made.
func (d *Daemon) keepVerifier(ctx context.Context, v cache.Verifier) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	e := d.index.withUUID(v.UUID)
	if e == nil || e.state != identity.Active || e.blocked != "" {
		return errors.New("the account changed meanwhile")
	}
	if epoch, ok := e.epoch(v.Kind); !ok || epoch != v.Epoch {
		return errors.New("the password changed meanwhile")
	}
	if err := d.o.Cache.PutVerifier(ctx, v); err != nil {
		return fmt.Errorf("keep verifier: %w", err)
	}
	return nil
}
