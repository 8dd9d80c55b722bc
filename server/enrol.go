package server

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// enrolTries is how many answers may fail to confirm a new secret. They prove
// nothing, for the secret was shown a moment ago: they are no failures.
const enrolTries = 3

// What people are told when what they asked for is not done.
const (
	errNoSuchFactor = refusal("The account has no such factor. Nothing was changed.")
	errOnlyWay      = refusal("It is the only way into the account. Nothing was changed.")
	errNoTOTP       = refusal("Backup codes stand in for a one-time code, and the account has none. Enrol one first.")
	errTokenFull    = refusal("The account holds too much to describe. Nothing was changed; ask your administrator.")
)

// alter makes or takes away the factor that Begin named. What was proved is used
// first, so that it is used also when nothing comes of this.
func (e *engine) alter(ctx context.Context, s *session, g gain) (answer, error) {
	if err := e.spend(ctx, s, g); err != nil {
		return e.outdated(ctx, s, err)
	}
	switch {
	case s.remove != "":
		return e.allow(ctx, s, func(tx *store.Tx, a store.Account) error { return e.takeAway(tx, s, a) })
	case s.enrol == identity.TOTP:
		var a answer
		var err error
		if s.fresh, a.url, err = newTOTP(e.Name, s.name); err != nil {
			return answer{}, err
		}
		return e.offer(s, []identity.FactorKind{identity.NewTOTP}, a)
	case s.enrol == identity.PIV:
		return e.offer(s, []identity.FactorKind{identity.NewPIV}, answer{})
	case s.enrol == identity.BackupCode:
		return e.giveBackupCodes(ctx, s)
	default:
		return e.deny(ctx, s, answer{reason: "nothing of that kind is made or taken away"})
	}
}

// confirmTOTP puts the new secret in the place of the old one, if a code shows
// that someone has it, and what was proved before still holds.
func (e *engine) confirmTOTP(ctx context.Context, s *session, code identity.Secret) (answer, error) {
	step, ok, err := identity.TOTPStep(s.fresh, code, e.now())
	if err != nil {
		return answer{}, err
	}
	if !ok {
		if s.tries++; s.tries < enrolTries {
			again := answer{message: "That is not a code of the new secret; nothing has changed yet."}
			return e.offer(s, []identity.FactorKind{identity.NewTOTP}, again)
		}
		s.fresh.Wipe()
		return e.deny(ctx, s, answer{message: "No code of the new secret was given. Nothing was changed.", reason: "totp not confirmed"})
	}
	defer s.fresh.Wipe()
	return e.allow(ctx, s, func(tx *store.Tx, account store.Account) error {
		if err := tx.SetTOTP(account.UUID, e.box.seal(account.UUID, s.fresh), ""); err != nil {
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
		return tx.Record(entry(e.now(), "account.enrol-totp", s, ""))
	})
}

func without(list []proof, kind identity.FactorKind) []proof {
	var rest []proof
	for _, p := range list {
		if p.kind != kind {
			rest = append(rest, p)
		}
	}
	return rest
}

// backupCodes is how many are made at once.
const backupCodes = 10

// makeBackupCodes gives an account that holds a one-time code a new set.
func (r *realm) makeBackupCodes(tx *store.Tx, account uuid.UUID) ([]identity.Secret, store.BackupCodes, error) {
	if _, err := tx.TOTP(account); errors.Is(err, identity.ErrNotFound) {
		return nil, store.BackupCodes{}, errNoTOTP
	} else if err != nil {
		return nil, store.BackupCodes{}, err
	}
	var codes []identity.Secret
	var hashes [][]byte
	for range backupCodes {
		shown := identity.NewBackupCode()
		code, _ := identity.ParseBackupCode(shown)
		codes, hashes = append(codes, shown), append(hashes, r.box.hashBackupCode(account, code))
		code.Wipe()
	}
	set, err := tx.SetBackupCodes(account, hashes)
	return codes, set, err
}

func (e *engine) giveBackupCodes(ctx context.Context, s *session) (answer, error) {
	var codes []identity.Secret
	a, err := e.allow(ctx, s, func(tx *store.Tx, account store.Account) (err error) {
		var set store.BackupCodes
		if codes, set, err = e.makeBackupCodes(tx, account.UUID); err != nil {
			return err
		}
		for i := range s.proved { // one of the old set may have been proved
			if s.proved[i].kind == identity.BackupCode {
				s.proved[i].epoch = set.Epoch
			}
		}
		return tx.Record(entry(e.now(), "account.enrol-backup-codes", s, ""))
	})
	if a.allow {
		a.codes = codes
	}
	return a, err
}

// takeAway removes the factor that Begin named, unless it is the only way in. A
// card that a person gives up is revoked: it may be lost.
func (e *engine) takeAway(tx *store.Tx, s *session, account store.Account) error {
	var err error
	switch s.remove {
	case identity.TOTP:
		err = tx.RemoveTOTP(account.UUID)
	case identity.BackupCode:
		err = tx.RemoveBackupCodes(account.UUID)
	case identity.PIV:
		err = tx.RevokeCard(account.UUID, s.removeCard)
	default:
		err = identity.ErrNotFound
	}
	if errors.Is(err, identity.ErrNotFound) {
		return errNoSuchFactor
	}
	if err != nil {
		return err
	}
	factors, err := tx.Factors(account.UUID)
	if err != nil {
		return err
	}
	if rest := identity.Kinds(factors); !identity.Enough(rest, rest) {
		return errOnlyWay
	}
	return tx.Record(entry(e.now(), "account.remove-"+string(s.remove), s, ""))
}
