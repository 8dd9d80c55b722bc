package store

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// A machine's scope is whose accounts it may know and begin sign-ins for. A machine
// without one may for everybody. One with a scope may for the members of its groups,
// direct or through other groups, and for nobody where those groups are gone.

// SetScope limits a machine to the members of these groups. nil takes the limit away; an
// empty list admits nobody. What the machine knows already it is told to forget: its
// change stream begins anew.
func (t *Tx) SetScope(machine uuid.UUID, groups []uuid.UUID) error {
	rev, err := t.nextRevision()
	if err != nil {
		return err
	}
	if err := t.aboutMachine(`UPDATE machines SET scoped = ?, scoped_at = ? WHERE uuid = ?`, groups != nil, rev, machine); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM machine_admits WHERE machine_uuid = ?`, machine); err != nil {
		return err
	}
	for _, g := range groups {
		if _, err := t.exec(`INSERT INTO machine_admits (machine_uuid, group_uuid) VALUES (?, ?) ON CONFLICT DO NOTHING`, machine, g); err != nil {
			return err
		}
	}
	return nil
}

// Scope names the groups of a machine's scope; scoped is false where it has none.
func (t *Tx) Scope(machine uuid.UUID) (groups []identity.Name, scoped bool, err error) {
	if err := t.get([]any{&scoped}, `SELECT scoped FROM machines WHERE uuid = ?`, machine); err != nil || !scoped {
		return nil, scoped, err
	}
	groups, err = t.names(`SELECT g.name FROM groups g JOIN machine_admits a ON a.group_uuid = g.uuid WHERE a.machine_uuid = ? ORDER BY g.name`, machine)
	return groups, true, err
}

// Admits tells whether the account is within the machine's scope. A machine that is not
// known has none, and is admitted nobody.
func (t *Tx) Admits(machine, account uuid.UUID) (yes bool, err error) {
	if machine == ConsoleClient {
		return true, nil
	}
	err = t.get([]any{&yes}, `WITH RECURSIVE up(id) AS (
			SELECT group_uuid FROM group_accounts WHERE account_uuid = ?
			UNION SELECT parent FROM group_groups JOIN up ON child = up.id)
		SELECT EXISTS (SELECT 1 FROM machines WHERE uuid = ? AND scoped = 0)
			OR EXISTS (SELECT 1 FROM machine_admits JOIN up ON group_uuid = up.id WHERE machine_uuid = ?)`, account, machine, machine)
	return yes, err
}

// AccountsFor lists the accounts within a machine's scope by name, at most limit of them,
// beginning after that name; "" is before all.
func (t *Tx) AccountsFor(machine uuid.UUID, after identity.Name, limit int) ([]Account, error) {
	var scoped bool
	if err := t.get([]any{&scoped}, `SELECT scoped FROM machines WHERE uuid = ?`, machine); err != nil {
		return nil, err
	}
	if !scoped {
		return t.accounts(`WHERE name > ? ORDER BY name LIMIT ?`, after, limit)
	}
	return t.accounts(`WHERE name > ? AND uuid IN (
		WITH RECURSIVE down(id) AS (
			SELECT group_uuid FROM machine_admits WHERE machine_uuid = ?
			UNION SELECT child FROM group_groups JOIN down ON parent = down.id)
		SELECT account_uuid FROM group_accounts JOIN down ON group_uuid = down.id)
		ORDER BY name LIMIT ?`, after, machine, limit)
}

// AccountFor is [Tx.AccountByName] for a machine: an account beyond its scope is
// identity.ErrNotFound.
func (t *Tx) AccountFor(machine uuid.UUID, name identity.Name) (Account, error) {
	a, err := t.AccountByName(name)
	if err != nil {
		return Account{}, err
	}
	yes, err := t.Admits(machine, a.UUID)
	if err == nil && !yes {
		err = fmt.Errorf("%w: beyond the machine's scope", identity.ErrNotFound)
	}
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// Saw notes where a machine calls from, and what it runs.
func (t *Tx) Saw(machine uuid.UUID, host, version string, now time.Time) error {
	return t.one(`UPDATE machines SET seen = ?, seen_host = ?, version = ? WHERE uuid = ?`, now.Unix(), host, version, machine)
}

// Duplicated notes that two live under a machine's name, and tells whether that is new.
func (t *Tx) Duplicated(machine uuid.UUID, now time.Time) (news bool, err error) {
	n, err := t.exec(`UPDATE machines SET duplicated = ? WHERE uuid = ? AND duplicated = 0`, now.Unix(), machine)
	if err == nil && n == 1 {
		err = t.machinesChanged()
	}
	return n == 1, err
}

// Quarantine shuts a machine out, or ends that with a zero time.
func (t *Tx) Quarantine(name identity.Name, since time.Time) error {
	var at int64
	if !since.IsZero() {
		at = since.Unix()
	}
	return t.aboutMachine(`UPDATE machines SET quarantined = ? WHERE name = ?`, at, name)
}

// Rejoin lets a machine that has joined do so once more, with a code of that hash: until
// then its old key counts, and from then on the new one alone.
func (t *Tx) Rejoin(name identity.Name, codeHash []byte, until time.Time) (Machine, error) {
	if err := t.one(`UPDATE machines SET code_hash = ?, code_expires = ? WHERE name = ? AND public_key IS NOT NULL`, codeHash, until.Unix(), name); err != nil {
		return Machine{}, err
	}
	return t.MachineByName(name)
}
