package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// totpFactor is a one-time code (RFC 6238).
type totpFactor struct{}

func (totpFactor) traits() traits {
	return traits{kind: identity.TOTP, counted: identity.TOTP}
}

func (totpFactor) held(p *store.Person) (held any, left bool) {
	if p.TOTP == nil {
		return nil, false
	}
	return *p.TOTP, true
}

// totp is the account's, if it holds one.
func (f *facts) totp() (held store.TOTP, ok bool) {
	held, ok = f.holds[identity.TOTP].(store.TOTP)
	return held, ok
}

func (totpFactor) step(ctx context.Context, t *attempt, code identity.Secret) (answer, error) {
	return t.takeCode(ctx, code)
}

// takeCode takes a one-time code; before are proofs of the same step.
func (t *attempt) takeCode(ctx context.Context, code identity.Secret, before ...proof) (answer, error) {
	if t.f.locked(identity.TOTP) {
		return t.locked(ctx)
	}
	held, ok := t.f.totp()
	if !t.f.known || !ok {
		return t.failed(ctx, identity.TOTP, "totp taken away")
	}
	id := t.f.account.UUID
	secret, err := t.CodeSecret(ctx, id, held)
	if err != nil {
		return answer{}, err
	}
	defer secret.Wipe()
	step, ok, err := identity.TOTPStep(secret, code, t.Now())
	if err != nil {
		return answer{}, err
	}
	here, err := t.usedHere(ctx, t.f.account, held)
	if err != nil {
		return answer{}, err
	}
	if !ok || step <= max(held.LastStep, here, usedElsewhere(t.s, held)) {
		return t.failed(ctx, identity.TOTP, "totp")
	}
	return t.advance(ctx, result{
		proofs: append(before, proof{kind: identity.TOTP, account: id, epoch: held.Epoch}),
		use:    func(tx *store.Tx) error { return t.useCode(tx, t.s, held, t.f.account, step) },
	})
}

// usedElsewhere is the newest step that the client accepted by itself, of the secret
// that the account has now.
func usedElsewhere(s *session, held store.TOTP) int64 {
	if s.usedEpoch != 0 && s.usedEpoch != held.Epoch {
		return 0
	}
	return s.usedStep
}

func (totpFactor) enrol(_ context.Context, t *attempt) (answer, error) {
	var a answer
	var err error
	if t.s.fresh, a.url, err = t.NewTOTP(t.s.name); err != nil {
		return answer{}, err
	}
	return t.offer(t.s, []identity.FactorKind{identity.NewTOTP}, a)
}

func (totpFactor) remove(tx *store.Tx, _ *session, account uuid.UUID) error {
	return tx.RemoveTOTP(account)
}

// seal seals the TOTP secret of an account to the client on which it has just been
// proved, if the realm's policy lets that client hold it.
func (totpFactor) seal(e *Engine, tx *store.Tx, s *session, a store.Account) ([]sealedFactor, error) {
	if s.client.sealTo == nil || !slices.Contains(s.methods(), identity.TOTP) {
		return nil, nil
	}
	if may, err := tx.MayHoldCodes(s.client.id, a.UUID); err != nil || !may {
		return nil, err
	}
	held, err := tx.TOTP(a.UUID)
	if errors.Is(err, identity.ErrNotFound) {
		return nil, nil // taken away just now
	}
	if err != nil {
		return nil, err
	}
	secret, err := e.Box.Open(a.UUID, held.Sealed)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	blob, err := identity.SealTo(s.client.sealTo, identity.SealInfo(e.Name, s.client.id, a.UUID, identity.TOTP, held.Epoch), secret)
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", s.client.actor(), err)
	}
	sum := sha256.Sum256(s.client.sealTo)
	err = tx.Record(store.Entry{
		Time: e.Now(), Actor: s.client.actor(), Action: "totp.seal", Subject: string(a.Name),
		Detail: fmt.Sprintf("epoch=%d key=%x", held.Epoch, sum),
	})
	return []sealedFactor{{identity.TOTP, held.Epoch, blob, held.LastStep, sum[:]}}, err
}

// enrolTries is how many answers may fail to confirm a new secret. They prove
// nothing, for the secret was shown a moment ago: they are no failures.
const enrolTries = 3

// newTOTPFactor is the first code of a new secret.
type newTOTPFactor struct{}

// traits: someone has to find the telephone.
func (newTOTPFactor) traits() traits {
	return traits{kind: identity.NewTOTP, patience: enrolTimeout}
}

// step puts the new secret in the place of the old one, if a code shows
// that someone has it, and what was proved before still holds.
func (newTOTPFactor) step(ctx context.Context, t *attempt, code identity.Secret) (answer, error) {
	s := t.s
	step, ok, err := identity.TOTPStep(s.fresh, code, t.Now())
	if err != nil {
		return answer{}, err
	}
	if !ok {
		if s.tries++; s.tries < enrolTries {
			again := answer{message: "That is not a code of the new secret; nothing has changed yet."}
			return t.offer(s, []identity.FactorKind{identity.NewTOTP}, again)
		}
		s.fresh.Wipe()
		return t.deny(ctx, answer{message: "No code of the new secret was given. Nothing was changed.", reason: "totp not confirmed"})
	}
	defer s.fresh.Wipe()
	return t.allow(ctx, s, func(tx *store.Tx, account store.Account) error {
		if err := tx.SetTOTP(account.UUID, t.Box.Seal(account.UUID, s.fresh), ""); err != nil {
			return err
		}
		set, err := tx.TOTP(account.UUID)
		if err != nil {
			return err
		}
		if err := tx.UseTOTPStep(account.UUID, set.Epoch, step); err != nil {
			return err
		}
		s.proved = append(without(s.proved, identity.TOTP), proof{kind: identity.TOTP, account: account.UUID, epoch: set.Epoch})
		return tx.Record(entry(t.Now(), "account.enrol-totp", s, ""))
	})
}

func without(list []proof, kind identity.FactorKind) []proof {
	return slices.DeleteFunc(slices.Clone(list), func(p proof) bool { return p.kind == kind })
}
