package store

import (
	"database/sql"
	"time"

	"github.com/google/uuid"
)

// SSHAuthority is a key that ssh certificates are signed with.
type SSHAuthority struct {
	// Public is as identity.SSHAuthorityOf has it.
	Public []byte
	// Sealed is its private half, encrypted. It is nil where Agent tells that an ssh-agent
	// beside each server keeps that.
	Sealed []byte
	Agent  bool
	Made   time.Time
}

// SSHAuthorities lists the keys of that use, the newest first.
func (t *Tx) SSHAuthorities(use string) (list []SSHAuthority, err error) {
	err = t.each(func(row *sql.Rows) error {
		var a SSHAuthority
		var made int64
		if err := row.Scan(&a.Public, &a.Sealed, &a.Agent, &made); err != nil {
			return err
		}
		a.Made = time.Unix(made, 0)
		list = append(list, a)
		return nil
	}, `SELECT public_key, sealed, agent, made FROM ssh_authorities WHERE use = ? ORDER BY seq DESC`, use)
	return list, err
}

// AddSSHAuthority stores a new key of that use.
func (t *Tx) AddSSHAuthority(use string, a SSHAuthority) error {
	_, err := t.exec(`INSERT INTO ssh_authorities (use, public_key, sealed, agent, made) VALUES (?, ?, ?, ?, ?)`, use, a.Public, a.Sealed, a.Agent, a.Made.Unix())
	return err
}

// RemoveSSHAuthority forgets a key.
func (t *Tx) RemoveSSHAuthority(public []byte) error {
	return t.one(`DELETE FROM ssh_authorities WHERE public_key = ?`, public)
}

// HostKeys are the keys of a machine's sshd, in ssh's wire form, sorted.
func (t *Tx) HostKeys(machine uuid.UUID) (list [][]byte, err error) {
	err = t.each(func(row *sql.Rows) error {
		var k []byte
		err := row.Scan(&k)
		list = append(list, k)
		return err
	}, `SELECT public_key FROM machine_host_keys WHERE machine_uuid = ? ORDER BY public_key`, machine)
	return list, err
}

// SetHostKeys stores them in place of those before.
func (t *Tx) SetHostKeys(machine uuid.UUID, keys [][]byte) error {
	if _, err := t.exec(`DELETE FROM machine_host_keys WHERE machine_uuid = ?`, machine); err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := t.exec(`INSERT INTO machine_host_keys (machine_uuid, public_key) VALUES (?, ?) ON CONFLICT DO NOTHING`, machine, k); err != nil {
			return err
		}
	}
	return nil
}

// CertificatesEarly is by how many minutes an ssh certificate begins before it was made.
func (t *Tx) CertificatesEarly() (minutes uint32, err error) {
	err = t.get([]any{&minutes}, `SELECT certificates_early FROM realm`)
	return minutes, err
}

// SetCertificatesEarly changes that.
func (t *Tx) SetCertificatesEarly(minutes uint32) error {
	return t.one(`UPDATE realm SET certificates_early = ?`, minutes)
}
