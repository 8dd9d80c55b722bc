package store

import (
	"database/sql"

	"github.com/google/uuid"
)

// PasswordRules are what the realm asks of passwords.
type PasswordRules struct {
	// MaxAge is how many days one is good for; 0: it does not expire.
	MaxAge uint32
	// MinLength is the least length, in characters.
	MinLength uint32
	// History is how many of an account's passwords cannot be used again, the one of
	// today among them.
	History uint32
}

// PasswordRules returns them.
func (t *Tx) PasswordRules() (r PasswordRules, err error) {
	err = t.get([]any{&r.MaxAge, &r.MinLength, &r.History}, `SELECT password_max_age, password_min_length, password_history FROM realm`)
	return r, err
}

// SetPasswordRules replaces them. With another age every account gets a new revision, so
// that machines learn the new day. Hashes that the history has no place for are deleted.
func (t *Tx) SetPasswordRules(r PasswordRules) error {
	before, err := t.PasswordRules()
	if err != nil {
		return err
	}
	err = t.one(`UPDATE realm SET password_max_age = ?, password_min_length = ?, password_history = ?`, r.MaxAge, r.MinLength, r.History)
	if err != nil {
		return err
	}
	if r.History < before.History {
		if err := t.dropOldPasswords(r.History); err != nil {
			return err
		}
	}
	if r.MaxAge == before.MaxAge {
		return nil
	}
	return t.touchEverybody()
}

// keepOldPassword moves the account's password into its history, which has one place
// less than the realm wants: the new password has that.
func (t *Tx) keepOldPassword(account uuid.UUID) error {
	rules, err := t.PasswordRules()
	if err != nil || rules.History == 0 {
		return err
	}
	_, err = t.exec(`INSERT INTO old_passwords (account_uuid, epoch, phc) SELECT account_uuid, epoch, phc FROM passwords WHERE account_uuid = ?`, account)
	if err != nil {
		return err
	}
	return t.dropOldPasswords(rules.History)
}

func (t *Tx) dropOldPasswords(history uint32) error {
	_, err := t.exec(`DELETE FROM old_passwords WHERE (account_uuid, epoch) IN (
		SELECT account_uuid, epoch FROM (
			SELECT account_uuid, epoch, ROW_NUMBER() OVER (PARTITION BY account_uuid ORDER BY epoch DESC) AS place FROM old_passwords) AS placed
		WHERE place >= ?)`, max(history, 1))
	return err
}

// UsedPasswords lists the hashes of the passwords that the account cannot use again, the
// newest first.
func (t *Tx) UsedPasswords(account uuid.UUID) ([]string, error) {
	rules, err := t.PasswordRules()
	if err != nil {
		return nil, err
	}
	var used []string
	err = t.each(func(row *sql.Rows) error {
		var phc string
		if err := row.Scan(&phc); err != nil {
			return err
		}
		used = append(used, phc)
		return nil
	}, `SELECT phc FROM (SELECT epoch, phc FROM passwords WHERE account_uuid = ?
		UNION ALL SELECT epoch, phc FROM old_passwords WHERE account_uuid = ?) AS used ORDER BY epoch DESC LIMIT ?`, account, account, rules.History)
	return used, err
}
