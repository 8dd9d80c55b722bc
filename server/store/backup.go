package store

import (
	"fmt"

	"github.com/google/uuid"
)

// BackupCodes are what is left of an account's set of backup codes.
type BackupCodes struct {
	Epoch uint64
	Left  int
}

// SetBackupCodes replaces the set; its epoch is the account's new revision.
func (t *Tx) SetBackupCodes(account uuid.UUID, hashes [][]byte) (BackupCodes, error) {
	rev, err := t.touch(account)
	if err != nil {
		return BackupCodes{}, err
	}
	if err := t.dropBackupCodes(account); err != nil {
		return BackupCodes{}, err
	}
	if _, err := t.exec(`INSERT INTO backup_sets (account_uuid, epoch) VALUES (?, ?)`, account, rev); err != nil {
		return BackupCodes{}, err
	}
	for _, h := range hashes {
		if _, err := t.exec(`INSERT INTO backup_codes (account_uuid, hash) VALUES (?, ?)`, account, h); err != nil {
			return BackupCodes{}, err
		}
	}
	return BackupCodes{rev, len(hashes)}, nil
}

func (t *Tx) dropBackupCodes(account uuid.UUID) error {
	_, err := t.exec(`DELETE FROM backup_sets WHERE account_uuid = ?`, account)
	return err
}

// RemoveBackupCodes takes the set away.
func (t *Tx) RemoveBackupCodes(account uuid.UUID) error {
	if err := t.one(`DELETE FROM backup_sets WHERE account_uuid = ?`, account); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// BackupCodes returns the set, identity.ErrNotFound without one. A set whose codes
// are all used is still one.
func (t *Tx) BackupCodes(account uuid.UUID) (BackupCodes, error) {
	var b BackupCodes
	err := t.get([]any{&b.Epoch, &b.Left}, `SELECT epoch, (SELECT COUNT(*) FROM backup_codes c WHERE c.account_uuid = s.account_uuid)
		FROM backup_sets s WHERE account_uuid = ?`, account)
	return b, err
}

// HasBackupCode tells whether a code of that hash is left.
func (t *Tx) HasBackupCode(account uuid.UUID, hash []byte) (has bool, err error) {
	err = t.get([]any{&has}, `SELECT EXISTS (SELECT 1 FROM backup_codes WHERE account_uuid = ? AND hash = ?)`, account, hash)
	return has, err
}

// UseBackupCode uses a code up. It is ErrChanged when it is not, or no longer, a
// code of the set of that epoch. The account has a new revision then, and its
// credentials keep their epochs.
func (t *Tx) UseBackupCode(account uuid.UUID, epoch uint64, hash []byte) error {
	n, err := t.exec(`DELETE FROM backup_codes WHERE account_uuid = ? AND hash = ?
		AND EXISTS (SELECT 1 FROM backup_sets s WHERE s.account_uuid = backup_codes.account_uuid AND epoch = ?)`, account, hash, epoch)
	if err == nil && n == 0 {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	_, err = t.touch(account)
	return err
}

// Label is how many are left, for people.
func (b BackupCodes) Label() string { return fmt.Sprintf("%d left", b.Left) }
