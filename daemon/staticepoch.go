package daemon

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
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
//	no, for a lock     any                    it stays
//	no, for whichever  that password          it stays, and the server is asked once more
//	                                          when a lock would be over; a no then is one
//
// "Whichever" is a server that says the same for a lock that others' guesses brought about
// as for a wrong password (provider.Reply.AskAgain).

func (d *Gate) staticEpoch() bool {
	return d.o.Provider.StaticEpoch
}

// outdated tells whether the verifier is of another password than the one that the
// server has just accepted, where the epoch does not say so, or of another form of it. A
// check that fails is no reason to make it anew.
func (d *Gate) outdated(ctx context.Context, v cache.Verifier, password identity.Secret) bool {
	if !d.staticEpoch() && opaque.Plain(password) {
		return false
	}
	right, err := d.verifiers.IsOf(ctx, v, password)
	return err == nil && !right
}

// endRefused ends the verifier of a password that the server has just refused. It
// may still be at work when it returns.
func (s *login) endRefused(ctx context.Context, r provider.Reply) {
	d, e := s.d, s.q.Entry
	if !d.staticEpoch() || r.Locked || s.secret.Len() == 0 || s.code.Len() > 0 || s.backup.Len() > 0 {
		return // with a code beside it, the no may be that one's
	}
	if r.AskAgain > 0 {
		own := identity.NewSecret(bytes.Clone(s.secret.Reveal()))
		go func() {
			defer own.Wipe()
			d.askAgain(d.Life(), e, own, r.AskAgain)
		}()
		return
	}
	d.proofs.StepUps.Forget(e.Account().UUID, nil)
	d.withPassword(ctx, s.secret, func(ctx context.Context, own identity.Secret) { d.endVerifier(ctx, e, own) })
}

func (d *Gate) endVerifier(ctx context.Context, e *directory.Entry, password identity.Secret) {
	id := e.Account().UUID
	unlock, err := d.tries.Lock(ctx, id)
	if err != nil {
		return
	}
	defer unlock()
	is, err := d.isRemembered(ctx, id, password)
	if err == nil && !is {
		return
	}
	if err := errors.Join(err, d.o.Cache.DeleteVerifiers(ctx, id)); err != nil {
		d.log.ErrorContext(ctx, "the verifier of a password that was refused", "account", e.Account().Name, "error", err)
		return
	}
	d.log.InfoContext(ctx, "the server refuses a password that was right before: it works offline no more", "account", e.Account().Name)
}

// isRemembered tells whether the verifier is of that password. What cannot be checked
// could be.
func (d *Gate) isRemembered(ctx context.Context, id uuid.UUID, password identity.Secret) (bool, error) {
	v, err := d.o.Cache.Verifier(ctx, id, identity.Password)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return false, nil
	case err != nil || seal.Lost(ctx, d.o.Sealer, v.Key):
		return true, err //nolint:wrapcheck // for the log
	}
	return d.verifiers.IsOf(ctx, v, password)
}

// pendingChecks are the accounts whose password the server refused: it is compared with what is
// remembered, and may be asked for again.
type pendingChecks struct {
	mu sync.Mutex
	of map[uuid.UUID]bool
}

// maxDoubts bounds the passwords that wait at a time. Who is beyond it keeps a verifier
// until the next no.
const maxDoubts = 64

// begin tells whether this is the one that asks.
func (x *pendingChecks) begin(id uuid.UUID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of[id] || len(x.of) >= maxDoubts {
		return false
	}
	if x.of == nil {
		x.of = make(map[uuid.UUID]bool)
	}
	x.of[id] = true
	return true
}

func (x *pendingChecks) end(id uuid.UUID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.of, id)
}

// askAgain asks the server once more for a password that was right before, when a lock would
// be over. Only a second no ends what is remembered: without an answer it stays, as it
// does for who was never refused.
func (d *Gate) askAgain(ctx context.Context, e *directory.Entry, password identity.Secret, wait time.Duration) {
	id := e.Account().UUID
	if !d.askedAgain.begin(id) {
		return // before the hash: whoever guesses makes no crowd of them
	}
	defer d.askedAgain.end(id)
	if is, err := d.isRemembered(ctx, id, password); err != nil || !is {
		return
	}
	d.log.InfoContext(ctx, "the server refuses a password that was right before; it is asked once more, for the account may be locked", "account", e.Account().Name, "in", wait)
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
		return
	}
	no, err := d.refusesStill(ctx, e, password)
	if err != nil || !no {
		d.log.InfoContext(ctx, "that password goes on to be remembered", "account", e.Account().Name, "error", err)
		return
	}
	d.proofs.StepUps.Forget(id, nil)
	d.endVerifier(ctx, e, password)
}

// refusesStill asks by the password alone, and tells whether that is refused.
func (d *Gate) refusesStill(ctx context.Context, e *directory.Entry, password identity.Secret) (bool, error) {
	r, err := withSlot(ctx, d, true, func(ctx context.Context) (provider.Reply, error) {
		x, r, err := d.o.Provider.Begin(ctx, provider.Attempt{Name: e.Account().Name, Service: "sallyportd"})
		if err != nil || r.Outcome != provider.Continue {
			return r, err //nolint:wrapcheck // for the log
		}
		return x.Step(ctx, provider.Answer{Kind: identity.Password, Credential: password}) //nolint:wrapcheck // the same
	})
	return r.Outcome == provider.Deny && !r.Locked, err
}
