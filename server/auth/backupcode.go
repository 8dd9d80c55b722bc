package auth

import (
	"errors"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// errNoTOTP says that backup codes would stand in for nothing.
const errNoTOTP = realm.RefusalError("Backup codes stand in for a one-time code, and the account has none. Enrol one first.")

// backupCodes is how many are made at once.
const backupCodes = 10

// NewBackupCodes gives an account that holds a one-time code a new set.
func (e *Engine) NewBackupCodes(tx *store.Tx, account uuid.UUID) ([]identity.Secret, store.BackupCodes, error) {
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
		codes, hashes = append(codes, shown), append(hashes, e.Box.HashBackupCode(account, code))
		code.Wipe()
	}
	set, err := tx.SetBackupCodes(account, hashes)
	return codes, set, err
}
