package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Account is an account as it is stored.
type Account struct {
	identity.Account
	State                 identity.State
	ValidFrom, ValidUntil int64
	Revision              uint64
	// OwnGroup is the uuid of the account's private group, whose name and gid are
	// the account's own.
	OwnGroup uuid.UUID
}

// StandingAt is how the account stands then, as far as the realm is concerned.
func (a Account) StandingAt(now time.Time) identity.Standing {
	t := identity.IDToken{State: a.State, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil}
	return t.StandingAt(now)
}

const accountColumns = `uuid, name, uid, full_name, home, shell, state, valid_from, valid_until, revision, group_uuid`

func scanAccount(scan func(...any) error) (Account, error) {
	var a Account
	err := scan(&a.UUID, &a.Name, &a.UID, &a.FullName, &a.Home, &a.Shell, &a.State, &a.ValidFrom, &a.ValidUntil, &a.Revision, &a.OwnGroup)
	a.GID = a.UID
	return a, err
}

// AddAccount stores a new account. Its uuids are made here; its uid is allotted
// when it is zero.
func (t *Tx) AddAccount(a Account) (Account, error) {
	a.UUID, a.OwnGroup = uuid.New(), uuid.New()
	if err := t.claim(a.Name); err != nil {
		return Account{}, err
	}
	id, err := t.allot(a.UID, a.UUID)
	if err != nil {
		return Account{}, err
	}
	a.UID, a.GID = id, id
	_, err = t.exec(`INSERT INTO accounts (`+accountColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
		a.UUID, a.Name, a.UID, a.FullName, a.Home, a.Shell, a.State, a.ValidFrom, a.ValidUntil, a.OwnGroup)
	if err != nil {
		return Account{}, err
	}
	a.Revision, err = t.touch(a.UUID)
	return a, err
}

// claim takes a name in the one name space of accounts and groups.
func (t *Tx) claim(name identity.Name) error {
	n, err := t.exec(`INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING`, name)
	if err == nil && n == 0 {
		return fmt.Errorf("%q %w, as an account or a group", name, ErrExists)
	}
	return err
}

// By is what one account is found by.
type By struct {
	column string
	value  any
}

// The columns of them.
const byName, byUID, byUUID = "name", "uid", "uuid"

// ByName finds by the canonical name.
func ByName(name identity.Name) By { return By{byName, name} }

// ByUID finds by the user id.
func ByUID(uid uint32) By { return By{byUID, uid} }

// ByUUID finds by the uuid.
func ByUUID(id uuid.UUID) By { return By{byUUID, id} }

// AccountBy finds an account.
func (t *Tx) AccountBy(by By) (Account, error) {
	return scanAccount(func(into ...any) error {
		return t.get(into, `SELECT `+accountColumns+` FROM accounts WHERE `+by.column+` = ?`, by.value)
	})
}

// AccountByName finds an account by its canonical name.
func (t *Tx) AccountByName(name identity.Name) (Account, error) { return t.AccountBy(ByName(name)) }

// AccountByUID finds an account by its user id.
func (t *Tx) AccountByUID(uid uint32) (Account, error) { return t.AccountBy(ByUID(uid)) }

// Account finds an account by its uuid.
func (t *Tx) Account(id uuid.UUID) (Account, error) { return t.AccountBy(ByUUID(id)) }

// Accounts lists every account by name.
func (t *Tx) Accounts() ([]Account, error) { return t.accounts(`ORDER BY name`) }

func (t *Tx) accounts(which string, args ...any) ([]Account, error) {
	var all []Account
	err := t.each(func(row *sql.Rows) error {
		a, err := scanAccount(row.Scan)
		all = append(all, a)
		return err
	}, `SELECT `+accountColumns+` FROM accounts `+which, args...)
	return all, err
}

// SetState enables or disables an account.
func (t *Tx) SetState(account uuid.UUID, s identity.State) error {
	if err := t.one(`UPDATE accounts SET state = ? WHERE uuid = ?`, s, account); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// SetAccount replaces the account's full name, home and shell.
func (t *Tx) SetAccount(a Account) error {
	if err := t.one(`UPDATE accounts SET full_name = ?, home = ?, shell = ?, valid_from = ?, valid_until = ? WHERE uuid = ?`,
		a.FullName, a.Home, a.Shell, a.ValidFrom, a.ValidUntil, a.UUID); err != nil {
		return err
	}
	_, err := t.touch(a.UUID)
	return err
}

// RemoveAccount removes an account and everything that it owned but its id.
func (t *Tx) RemoveAccount(account uuid.UUID) error {
	a, err := t.Account(account)
	if err != nil {
		return err
	}
	if err := t.one(`DELETE FROM accounts WHERE uuid = ?`, account); err != nil {
		return err
	}
	if err := t.one(`DELETE FROM names WHERE name = ?`, a.Name); err != nil {
		return err
	}
	rev, err := t.nextRevision()
	if err != nil {
		return err
	}
	return t.log(account, rev, true)
}

// AddSSHKey adds a key under a tag that the account does not use yet.
func (t *Tx) AddSSHKey(account uuid.UUID, k identity.SSHKey) error {
	n, err := t.exec(`INSERT INTO ssh_keys (account_uuid, tag, line) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, account, k.Tag, k.Line)
	if err == nil && n == 0 {
		return fmt.Errorf("key %q %w", k.Tag, ErrExists)
	}
	if err != nil {
		return err
	}
	_, err = t.touch(account)
	return err
}

// RemoveSSHKey removes the key with that tag.
func (t *Tx) RemoveSSHKey(account uuid.UUID, tag string) error {
	if err := t.one(`DELETE FROM ssh_keys WHERE account_uuid = ? AND tag = ?`, account, tag); err != nil {
		return err
	}
	_, err := t.touch(account)
	return err
}

// SSHKeys lists an account's keys by tag.
func (t *Tx) SSHKeys(account uuid.UUID) ([]identity.SSHKey, error) {
	var keys []identity.SSHKey
	err := t.each(func(row *sql.Rows) error {
		var k identity.SSHKey
		if err := row.Scan(&k.Tag, &k.Line); err != nil {
			return err
		}
		keys = append(keys, k)
		return nil
	}, `SELECT tag, line FROM ssh_keys WHERE account_uuid = ? ORDER BY tag`, account)
	return keys, err
}
