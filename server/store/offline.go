package store

import (
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// SetSealingKey stores what secrets for a machine are sealed to, and tells whether
// that is new.
func (t *Tx) SetSealingKey(machine uuid.UUID, key []byte) (changed bool, err error) {
	n, err := t.exec(`UPDATE machines SET sealing_key = ? WHERE uuid = ? AND sealing_key IS DISTINCT FROM ?`, key, machine, key)
	if err == nil && n == 1 {
		err = t.machinesChanged()
	}
	return n == 1, err
}

// SetMachineOfflineCodes says whether a machine may check one-time codes offline.
func (t *Tx) SetMachineOfflineCodes(name identity.Name, may bool) error {
	return t.aboutMachine(`UPDATE machines SET offline_codes = ? WHERE name = ?`, may, name)
}

// SetGroupOfflineCodes says whether the codes of a group's members may be checked
// offline, on machines that may.
func (t *Tx) SetGroupOfflineCodes(group uuid.UUID, may bool) error {
	return t.one(`UPDATE groups SET offline_codes = ? WHERE uuid = ?`, may, group)
}

// GroupOfflineCodes tells what SetGroupOfflineCodes said last; no, before.
func (t *Tx) GroupOfflineCodes(group uuid.UUID) (may bool, err error) {
	err = t.get([]any{&may}, `SELECT offline_codes FROM groups WHERE uuid = ?`, group)
	return may, err
}

// MayHoldCodes tells whether the realm's policy lets the machine hold the
// account's TOTP secret: the machine is marked, and a group that the account is
// in, directly or through others, is too.
func (t *Tx) MayHoldCodes(machine, account uuid.UUID) (may bool, err error) {
	err = t.get([]any{&may}, `WITH RECURSIVE up(id) AS (
			SELECT group_uuid FROM group_accounts WHERE account_uuid = ?
			UNION SELECT parent FROM group_groups JOIN up ON child = up.id)
		SELECT EXISTS (SELECT 1 FROM machines WHERE uuid = ? AND offline_codes = 1)
			AND EXISTS (SELECT 1 FROM groups JOIN up ON uuid = up.id WHERE offline_codes = 1)`, account, machine)
	return may, err
}
