package store

import (
	"fmt"

	"github.com/google/uuid"
)

// StoredKeys says what becomes of the ssh keys that the realm has stored, where somebody
// logs in by one.
type StoredKeys string

// The words. [RealmsKeys] is for machines: what the realm says.
const (
	KeysAccepted StoredKeys = "accept"
	KeysRefused  StoredKeys = "refuse"
	RealmsKeys   StoredKeys = ""
)

// ParseStoredKeys reads one; of a machine also "realm".
func ParseStoredKeys(word string, ofMachine bool) (StoredKeys, error) {
	switch k := StoredKeys(word); {
	case k == KeysAccepted, k == KeysRefused:
		return k, nil
	case ofMachine && word == "realm":
		return RealmsKeys, nil
	case ofMachine:
		return "", fmt.Errorf("%w: %q: there are %s, %s and realm", ErrStoredKeys, word, KeysAccepted, KeysRefused)
	default:
		return "", fmt.Errorf("%w: %q: there are %s and %s", ErrStoredKeys, word, KeysAccepted, KeysRefused)
	}
}

// AcceptsKeys tells whether the machine accepts stored keys. A word that is unknown here
// refuses them.
func (m Machine) AcceptsKeys() bool {
	is := m.StoredKeys
	if is == RealmsKeys {
		is = m.realmStoredKeys
	}
	return is == KeysAccepted
}

// realmStoredKeys is what the realm says, as SQL.
const realmStoredKeys = `(SELECT CASE stored_keys WHEN '' THEN 'accept' ELSE stored_keys END FROM realm)`

// StoredKeys is what the realm says.
func (t *Tx) StoredKeys() (k StoredKeys, err error) {
	err = t.get([]any{&k}, `SELECT `+realmStoredKeys)
	return k, err
}

// SetStoredKeys says it for the realm. The revision grows also where it is the same: a
// machine that has heard something else of a copy of this database goes by it then.
func (t *Tx) SetStoredKeys(k StoredKeys) error {
	rev, err := t.nextRevision()
	if err != nil {
		return err
	}
	return t.aboutMachine(`UPDATE realm SET stored_keys = ?, stored_keys_at = ?`, k, rev)
}

// SetMachineStoredKeys says it for one machine.
func (t *Tx) SetMachineStoredKeys(machine uuid.UUID, k StoredKeys) error {
	rev, err := t.nextRevision()
	if err != nil {
		return err
	}
	return t.aboutMachine(`UPDATE machines SET stored_keys = ?, stored_keys_at = ? WHERE uuid = ?`, k, rev, machine)
}
