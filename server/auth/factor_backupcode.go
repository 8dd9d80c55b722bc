package auth

import (
	"context"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// backupCodeFactor is one of a set of codes on paper, each good once.
type backupCodeFactor struct{}

// traits: it is guessed at the same prompt as a one-time code.
func (backupCodeFactor) traits() traits {
	return traits{kind: identity.BackupCode, counted: identity.TOTP}
}

func (backupCodeFactor) held(p *store.Person) (held any, left bool) {
	if p.BackupCodes == nil {
		return nil, false
	}
	return *p.BackupCodes, p.BackupCodes.Left > 0
}

func (f *facts) backupCodes() store.BackupCodes {
	b, _ := f.holds[identity.BackupCode].(store.BackupCodes)
	return b
}

// step takes a backup code. What is typed is hashed once and looked up,
// whatever it is: there is nothing to learn from the time.
func (backupCodeFactor) step(ctx context.Context, t *attempt, typed identity.Secret) (answer, error) {
	if t.Reads() != nil {
		return answer{}, errChangesNothing
	}
	if t.f.locked(identity.BackupCode) {
		return t.locked(ctx)
	}
	code, ok := identity.ParseBackupCode(typed)
	defer code.Wipe()
	if !ok || !t.f.known {
		return t.failed(ctx, identity.BackupCode, "backup code")
	}
	id, epoch := t.f.account.UUID, t.f.backupCodes().Epoch
	hash := t.Box.HashBackupCode(id, code)
	err := t.Store.Read(ctx, func(tx *store.Tx) (err error) {
		ok, err = tx.HasBackupCode(id, hash)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return t.failed(ctx, identity.BackupCode, "backup code")
	}
	return t.advance(ctx, result{
		proofs: []proof{{kind: identity.BackupCode, account: id, epoch: epoch}},
		use:    func(tx *store.Tx) error { return tx.UseBackupCode(id, epoch, hash) },
	})
}

func (backupCodeFactor) enrol(ctx context.Context, t *attempt) (answer, error) {
	var codes []identity.Secret
	s := t.s
	a, err := t.allow(ctx, s, func(tx *store.Tx, account store.Account) (err error) {
		var set store.BackupCodes
		if codes, set, err = t.NewBackupCodes(tx, account.UUID); err != nil {
			return err
		}
		for i := range s.proved { // one of the old set may have been proved
			if s.proved[i].kind == identity.BackupCode {
				s.proved[i].epoch = set.Epoch
			}
		}
		return tx.Record(entry(t.Now(), "account.enrol-backup-codes", s, ""))
	})
	if a.allow {
		a.codes = codes
	}
	return a, err
}

func (backupCodeFactor) remove(tx *store.Tx, _ *session, account uuid.UUID) error {
	return tx.RemoveBackupCodes(account)
}
