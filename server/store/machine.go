package store

import (
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Machine is a computer that was invited, and has joined when it has a key.
type Machine struct {
	UUID   uuid.UUID
	Name   identity.Name
	Key    ed25519.PublicKey
	Joined time.Time
	// SealingKey is what secrets for it are sealed to, nil before it registered one.
	SealingKey []byte
	// OfflineCodes lets it check one-time codes offline, see [Tx.MayHoldCodes].
	OfflineCodes bool
}

// Invite stores a machine that may join with the code of that hash until then.
// A name that was invited and has not joined is invited afresh.
func (t *Tx) Invite(name identity.Name, codeHash []byte, until time.Time) (Machine, error) {
	_, err := t.exec(`INSERT INTO machines (uuid, name, joined, code_hash, code_expires) VALUES (?, ?, 0, ?, ?)
		ON CONFLICT (name) DO UPDATE SET code_hash = excluded.code_hash, code_expires = excluded.code_expires WHERE public_key IS NULL`,
		uuid.New(), name, codeHash, until.Unix())
	if err != nil {
		return Machine{}, err
	}
	m, err := t.MachineByName(name)
	if err == nil && m.Key != nil {
		return Machine{}, fmt.Errorf("machine %q %w and has joined", name, ErrExists)
	}
	return m, err
}

// Join spends a code and stores the machine's key. It is identity.ErrNotFound
// when no such code is open, and ErrExists when the key is known already.
func (t *Tx) Join(codeHash []byte, key ed25519.PublicKey, now time.Time) (Machine, error) {
	return scanMachine(func(into ...any) error {
		return t.get(into, `UPDATE machines SET public_key = ?, joined = ?, code_hash = NULL, code_expires = 0
			WHERE code_hash = ? AND code_expires >= ? AND public_key IS NULL RETURNING `+machineColumns, []byte(key), now.Unix(), codeHash, now.Unix())
	})
}

const machineColumns = `uuid, name, public_key, joined, sealing_key, offline_codes`

func scanMachine(scan func(...any) error) (Machine, error) {
	var m Machine
	var key []byte
	var joined int64
	if err := scan(&m.UUID, &m.Name, &key, &joined, &m.SealingKey, &m.OfflineCodes); err != nil {
		return Machine{}, err
	}
	m.Key, m.Joined = key, time.Unix(joined, 0)
	return m, nil
}

// MachineByName finds a machine.
func (t *Tx) MachineByName(name identity.Name) (Machine, error) {
	return scanMachine(func(into ...any) error {
		return t.get(into, `SELECT `+machineColumns+` FROM machines WHERE name = ?`, name)
	})
}

// MachineByKey finds the machine that joined with that key.
func (t *Tx) MachineByKey(key ed25519.PublicKey) (Machine, error) {
	return scanMachine(func(into ...any) error {
		return t.get(into, `SELECT `+machineColumns+` FROM machines WHERE public_key = ?`, []byte(key))
	})
}

// Machines lists every machine by name.
func (t *Tx) Machines() ([]Machine, error) {
	var all []Machine
	err := t.each(func(row *sql.Rows) error {
		m, err := scanMachine(row.Scan)
		all = append(all, m)
		return err
	}, `SELECT `+machineColumns+` FROM machines ORDER BY name`)
	return all, err
}

// RemoveMachine forgets a machine: its key opens nothing from then on.
func (t *Tx) RemoveMachine(name identity.Name) error {
	return t.one(`DELETE FROM machines WHERE name = ?`, name)
}
