package store

import (
	"crypto/ed25519"
	"database/sql"
	"fmt"
	"slices"
	"strings"
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
	// Seen is when its change stream was last there, SeenHost from which address, and
	// Version what it ran; zero and empty before the first time.
	Seen              time.Time
	SeenHost, Version string
	// Duplicated is when two were seen to live under its name, Quarantined since when
	// it is shut out; zero: no.
	Duplicated, Quarantined time.Time
	// Scoped says that it knows the people of some groups alone, see [Tx.SetScope], from
	// the revision ScopedAt on.
	Scoped   bool
	ScopedAt uint64
	// Instance is that of its daemon which came last, see [Tx.Lives].
	Instance string
	// Token is the join token that it joined by, "": a code of its own.
	Token identity.Name
	// Tags are words that administrators gave it, sorted.
	Tags Tags
	// StoredKeys says what becomes of stored ssh keys there, see [Machine.AcceptsKeys], and
	// StoredKeysAt at which revision that, or the realm's word, was said last.
	StoredKeys, realmStoredKeys StoredKeys
	StoredKeysAt                uint64
	// OpaqueRealm tells that people of its realm may have passwords that are proved by OPAQUE.
	OpaqueRealm bool
}

// Invite stores a machine that may join with the code of that hash until then.
// A name that was invited and has not joined is invited afresh.
func (t *Tx) Invite(name identity.Name, codeHash []byte, until time.Time) (Machine, error) {
	_, err := t.exec(`INSERT INTO machines (uuid, name, joined, code_hash, code_expires) VALUES (?, ?, 0, ?, ?)
		ON CONFLICT (name) DO UPDATE SET code_hash = excluded.code_hash, code_expires = excluded.code_expires WHERE machines.public_key IS NULL`,
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

// Join spends a code and stores the machine's key, in place of the one before where the
// code is of [Tx.Rejoin]. It is identity.ErrNotFound
// when no such code is open, and ErrExists when the key is known already.
func (t *Tx) Join(codeHash []byte, key ed25519.PublicKey, now time.Time) (Machine, error) {
	if err := t.machinesChanged(); err != nil {
		return Machine{}, err
	}
	return scanMachine(func(into ...any) error {
		return t.get(into, `UPDATE machines SET public_key = ?, joined = ?, code_hash = NULL, code_expires = 0
			, sealing_key = NULL, duplicated = 0, seen = 0, seen_host = '', version = '', instance = '', instances_before = ''
			WHERE code_hash = ? AND code_expires >= ? RETURNING `+machineColumns, []byte(key), now.Unix(), codeHash, now.Unix())
	})
}

const machineColumns = `uuid, name, public_key, joined, sealing_key, offline_codes, seen, seen_host, version, duplicated, quarantined, scoped, scoped_at, token, instance, tags, stored_keys, stored_keys_at, ` + realmStoredKeys + `, (SELECT stored_keys_at FROM realm), (SELECT CASE WHEN opaque_sealed IS NULL THEN 0 ELSE 1 END FROM realm)`

func scanMachine(scan func(...any) error) (Machine, error) {
	var m Machine
	var key []byte
	var joined, seen, duplicated, quarantined int64
	var tags string
	var realmAt uint64
	err := scan(&m.UUID, &m.Name, &key, &joined, &m.SealingKey, &m.OfflineCodes, &seen, &m.SeenHost, &m.Version, &duplicated, &quarantined, &m.Scoped, &m.ScopedAt, &m.Token, &m.Instance, &tags,
		&m.StoredKeys, &m.StoredKeysAt, &m.realmStoredKeys, &realmAt, &m.OpaqueRealm)
	if err != nil {
		return Machine{}, err
	}
	m.Tags, m.StoredKeysAt = storedTags(tags), max(m.StoredKeysAt, realmAt)
	m.Key, m.Joined = key, time.Unix(joined, 0)
	m.Seen, m.Duplicated, m.Quarantined = moment(seen), moment(duplicated), moment(quarantined)
	return m, nil
}

// moment is a time as it is stored; 0 is none.
func moment(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0)
}

// MachineByName finds a machine.
func (t *Tx) MachineByName(name identity.Name) (Machine, error) {
	return scanMachine(func(into ...any) error {
		return t.get(into, `SELECT `+machineColumns+` FROM machines WHERE name = ?`, name)
	})
}

// Machine finds a machine by its uuid.
func (t *Tx) Machine(id uuid.UUID) (Machine, error) {
	return scanMachine(func(into ...any) error {
		return t.get(into, `SELECT `+machineColumns+` FROM machines WHERE uuid = ?`, id)
	})
}

// HasMachine tells whether there is such a machine.
func (t *Tx) HasMachine(id uuid.UUID) (is bool, err error) {
	err = t.get([]any{&is}, `SELECT EXISTS (SELECT 1 FROM machines WHERE uuid = ?)`, id)
	return is, err
}

// MachineByKey finds the machine that joined with that key.
func (t *Tx) MachineByKey(key ed25519.PublicKey) (Machine, error) {
	return scanMachine(func(into ...any) error {
		return t.get(into, `SELECT `+machineColumns+` FROM machines WHERE public_key = ?`, []byte(key))
	})
}

// Machines lists every machine by name.
func (t *Tx) Machines() ([]Machine, error) { return t.machines(`ORDER BY name`) }

func (t *Tx) machines(which string, args ...any) ([]Machine, error) {
	var all []Machine
	err := t.each(func(row *sql.Rows) error {
		m, err := scanMachine(row.Scan)
		all = append(all, m)
		return err
	}, `SELECT `+machineColumns+` FROM machines `+which, args...)
	return all, err
}

// MachineNames are names of machines that are one of these or have one of the tags, and that
// have joined and are not shut out: in their order, at most that many.
func (t *Tx) MachineNames(ids []uuid.UUID, tags []identity.Name, most int) ([]identity.Name, error) {
	is, args := []string{"FALSE"}, []any{}
	for _, id := range ids {
		is, args = append(is, "uuid = ?"), append(args, id)
	}
	for _, tag := range tags {
		word := strings.ReplaceAll(string(tag), "_", `\_`)
		is, args = append(is, `' ' || tags || ' ' LIKE ? ESCAPE '\'`), append(args, "% "+word+" %")
	}
	return t.names(`SELECT name FROM machines WHERE public_key IS NOT NULL AND quarantined = 0 AND (`+strings.Join(is, " OR ")+`) ORDER BY name LIMIT ?`, append(args, most)...)
}

// RemoveMachine forgets a machine: its key opens nothing from then on.
func (t *Tx) RemoveMachine(name identity.Name) error {
	return t.aboutMachine(`DELETE FROM machines WHERE name = ?`, name)
}

// maxInstances bounds the instances of one machine that are remembered.
const maxInstances = 32

// Lives notes that an instance of a machine's daemon has come, at whichever server. It tells
// whether two live: the instance was there before the one that came last. It is for one that
// is not the last.
func (t *Tx) Lives(machine uuid.UUID, instance string) (two bool, err error) {
	var last, text string
	if err := t.get([]any{&last, &text}, `SELECT instance, instances_before FROM machines WHERE uuid = ?`, machine); err != nil || last == instance {
		return false, err
	}
	before := strings.Fields(text)
	two = slices.Contains(before, instance)
	before = append(slices.DeleteFunc(before, func(o string) bool { return o == instance }), last)
	before = before[max(0, len(before)-maxInstances):]
	return two, t.aboutMachine(`UPDATE machines SET instance = ?, instances_before = ? WHERE uuid = ?`, instance, strings.Join(before, " "), machine)
}
