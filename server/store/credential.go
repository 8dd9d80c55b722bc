package store

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Password is an account's password hash.
type Password struct {
	PHC   string
	Epoch uint64
	// ChangeBy is from when on a login by it asks for a new one, see identity.Factor.
	ChangeBy int64
	// MustChange tells that the administrator asked for a new one.
	MustChange bool
	made       int64
}

func (p *Password) changeBy(rules PasswordRules) int64 {
	switch {
	case p.MustChange:
		return identity.ChangeNow
	case rules.MaxAge > 0:
		return p.made + int64(rules.MaxAge)*int64(24*time.Hour/time.Second)
	default:
		return 0
	}
}

// TOTP is an account's TOTP secret, sealed by package realm.
type TOTP struct {
	Sealed []byte
	Label  string
	Epoch  uint64
	// LastStep is the newest time step that was accepted.
	LastStep int64
}

// SetPassword replaces the password; its epoch is the account's new revision. It is of
// that time, and need not be changed before it is too old. The one before is kept where
// the realm wants to know it again.
func (t *Tx) SetPassword(account uuid.UUID, phc string, now time.Time) error {
	if err := t.keepOldPassword(account); err != nil {
		return err
	}
	rev, err := t.touch(account)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO passwords (account_uuid, phc, epoch, made) VALUES (?, ?, ?, ?)
		ON CONFLICT (account_uuid) DO UPDATE SET phc = excluded.phc, epoch = excluded.epoch, made = excluded.made, must_change = 0`,
		account, phc, rev, now.Unix())
	return err
}

// MustChangePassword says whether the owner must set another password at the next login
// by it. It is identity.ErrNotFound without a password.
func (t *Tx) MustChangePassword(account uuid.UUID, must bool) error {
	if err := t.one(`UPDATE passwords SET must_change = ? WHERE account_uuid = ?`, must, account); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// Rehash stores a stronger hash of the same password: the epoch stays. It is
// ErrChanged when the password is no longer that one.
func (t *Tx) Rehash(account uuid.UUID, p Password) error {
	n, err := t.exec(`UPDATE passwords SET phc = ? WHERE account_uuid = ? AND epoch = ?`, p.PHC, account, p.Epoch)
	if err == nil && n == 0 {
		return ErrChanged
	}
	return err
}

// Password returns the account's password hash, identity.ErrNotFound without one.
func (t *Tx) Password(account uuid.UUID) (Password, error) {
	var p Password
	var rules PasswordRules
	err := t.get([]any{&p.PHC, &p.Epoch, &p.MustChange, &p.made, &rules.MaxAge},
		`SELECT phc, epoch, must_change, made, password_max_age FROM passwords, realm WHERE account_uuid = ?`, account)
	p.ChangeBy = p.changeBy(rules)
	return p, err
}

// SetTOTP replaces the TOTP secret; its epoch is the account's new revision.
func (t *Tx) SetTOTP(account uuid.UUID, sealed []byte, label string) error {
	rev, err := t.touch(account)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO totps (account_uuid, sealed, label, epoch, last_step) VALUES (?, ?, ?, ?, 0)
		ON CONFLICT (account_uuid) DO UPDATE SET sealed = excluded.sealed, label = excluded.label, epoch = excluded.epoch, last_step = 0`,
		account, sealed, label, rev)
	return err
}

// RemoveTOTP takes the TOTP secret away, and the backup codes that stood in for it.
func (t *Tx) RemoveTOTP(account uuid.UUID) error {
	if err := t.one(`DELETE FROM totps WHERE account_uuid = ?`, account); err != nil {
		return err
	}
	if err := t.dropBackupCodes(account); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// TOTP returns the account's sealed secret, identity.ErrNotFound without one.
func (t *Tx) TOTP(account uuid.UUID) (TOTP, error) {
	var o TOTP
	err := t.get([]any{&o.Sealed, &o.Label, &o.Epoch, &o.LastStep}, `SELECT sealed, label, epoch, last_step FROM totps WHERE account_uuid = ?`, account)
	return o, err
}

// UseTOTPStep marks a time step as used. It is ErrChanged when that step or a
// later one was used before, or the secret is no longer that of the epoch.
func (t *Tx) UseTOTPStep(account uuid.UUID, epoch uint64, step int64) error {
	n, err := t.exec(`UPDATE totps SET last_step = ? WHERE account_uuid = ? AND epoch = ? AND last_step < ?`, step, account, epoch, step)
	if err == nil && n == 0 {
		return ErrChanged
	}
	return err
}

// Factors lists the public halves of the account's credentials.
func (t *Tx) Factors(account uuid.UUID) ([]identity.Factor, error) {
	p, err := t.PersonOf(account)
	if err != nil {
		return nil, fmt.Errorf("factors: %w", err)
	}
	return p.Factors(), nil
}
