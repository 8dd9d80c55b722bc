package server

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/opaque"
	"github.com/sallyport-auth/sallyport/server/store"
)

// gain is what a step has proved.
type gain struct {
	proofs []proof
	// use marks what is good only once as used; nil when there is no such thing.
	use func(*store.Tx) error
}

func (e *engine) stepPassword(ctx context.Context, s *session, f facts, password identity.Secret, more bool) (answer, error) {
	ok, rehash, err := e.provePassword(ctx, f, password)
	if err != nil {
		return answer{}, err
	}
	switch {
	case f.locked(identity.Password):
		return e.deny(ctx, s, answer{locked: true, reason: "locked"})
	case !ok:
		return e.failed(ctx, s, identity.Password, "password")
	}
	return e.advance(ctx, s, f, f.gainPassword(rehash), more)
}

// gainPassword is a password that was proved, whose hash is to be replaced by
// rehash if there is one.
func (f *facts) gainPassword(rehash string) gain {
	g := gain{proofs: []proof{{kind: identity.Password, account: f.account.UUID, epoch: f.password.Epoch}}}
	if rehash != "" {
		g.use = func(tx *store.Tx) error {
			return tx.Rehash(f.account.UUID, store.Password{PHC: rehash, Epoch: f.password.Epoch})
		}
	}
	return g
}

// provePassword does the same work for everyone; while its passwords are locked the
// result is always no. rehash is set when a right password's hash is out of date.
func (e *engine) provePassword(ctx context.Context, f facts, password identity.Secret) (ok bool, rehash string, err error) {
	phc := f.password.PHC
	if f.locked(identity.Password) {
		phc = ""
	}
	ok, outdated, err := e.hasher.verify(ctx, f.client, phc, password)
	if err == nil && outdated {
		rehash, err = e.hasher.hash(ctx, f.client, password)
	}
	if errors.Is(err, opaque.ErrUnusable) {
		err = nil // set before such characters were refused: it goes on as it is
	}
	return ok, rehash, err
}

// stepTOTP takes a one-time code; before are proofs of the same step.
func (e *engine) stepTOTP(ctx context.Context, s *session, f facts, code identity.Secret, more bool, before ...proof) (answer, error) {
	if f.locked(identity.TOTP) {
		return e.deny(ctx, s, answer{locked: true, reason: "locked"})
	}
	if !f.known || !f.hasTOTP {
		return e.failed(ctx, s, identity.TOTP, "totp taken away")
	}
	secret, err := e.box.open(f.account.UUID, f.totp.Sealed)
	if err != nil {
		return answer{}, err
	}
	defer secret.Wipe()
	step, ok, err := identity.TOTPStep(secret, code, e.now())
	if err != nil {
		return answer{}, err
	}
	if !ok || step <= max(f.totp.LastStep, f.usedElsewhere(s)) {
		return e.failed(ctx, s, identity.TOTP, "totp")
	}
	return e.advance(ctx, s, f, gain{
		proofs: append(before, proof{kind: identity.TOTP, account: f.account.UUID, epoch: f.totp.Epoch}),
		use:    func(tx *store.Tx) error { return tx.UseTOTPStep(f.account.UUID, f.totp.Epoch, step) },
	}, more)
}

// stepBackupCode takes a backup code. What is typed is hashed once and looked up,
// whatever it is: there is nothing to learn from the time.
func (e *engine) stepBackupCode(ctx context.Context, s *session, f facts, typed identity.Secret, more bool) (answer, error) {
	if f.locked(identity.BackupCode) {
		return e.deny(ctx, s, answer{locked: true, reason: "locked"})
	}
	code, ok := identity.ParseBackupCode(typed)
	defer code.Wipe()
	if !ok || !f.known {
		return e.failed(ctx, s, identity.BackupCode, "backup code")
	}
	hash := e.box.hashBackupCode(f.account.UUID, code)
	err := e.store.Read(ctx, func(tx *store.Tx) (err error) {
		ok, err = tx.HasBackupCode(f.account.UUID, hash)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return e.failed(ctx, s, identity.BackupCode, "backup code")
	}
	return e.advance(ctx, s, f, gain{
		proofs: []proof{{kind: identity.BackupCode, account: f.account.UUID, epoch: f.backup.Epoch}},
		use:    func(tx *store.Tx) error { return tx.UseBackupCode(f.account.UUID, f.backup.Epoch, hash) },
	}, more)
}

// usedElsewhere is the newest step that the machine accepted by itself, of the secret
// that the account has now.
func (f *facts) usedElsewhere(s *session) int64 {
	if s.usedEpoch != 0 && s.usedEpoch != f.totp.Epoch {
		return 0
	}
	return s.usedStep
}
