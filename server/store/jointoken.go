package store

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// JoinToken is a code that a number of machines join with.
type JoinToken struct {
	Name identity.Name
	// Remaining is how many more may, until Expires.
	Remaining uint32
	Expires   time.Time
	// Admits are the groups of their scope, where Scoped.
	Scoped bool
	Admits []uuid.UUID
	// Tags are those that each machine gets.
	Tags Tags
}

// AddToken stores one. Its name must be free.
func (t *Tx) AddToken(j JoinToken, codeHash []byte) error {
	var groups []string
	for _, g := range j.Admits {
		groups = append(groups, g.String())
	}
	_, err := t.exec(`INSERT INTO join_tokens (name, code_hash, remaining, expires, scoped, admits, tags) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		j.Name, codeHash, j.Remaining, j.Expires.Unix(), j.Scoped, strings.Join(groups, " "), j.Tags.stored())
	return err
}

// Tokens lists them by name.
func (t *Tx) Tokens() (list []JoinToken, err error) {
	err = t.each(func(row *sql.Rows) error {
		j, err := scanToken(row.Scan)
		list = append(list, j)
		return err
	}, tokenColumns+` ORDER BY name`)
	return list, err
}

const tokenColumns = `SELECT name, remaining, expires, scoped, admits, tags FROM join_tokens`

func scanToken(scan func(...any) error) (JoinToken, error) {
	var j JoinToken
	var expires int64
	var admits, tags string
	if err := scan(&j.Name, &j.Remaining, &expires, &j.Scoped, &admits, &tags); err != nil {
		return JoinToken{}, err
	}
	j.Expires, j.Tags = time.Unix(expires, 0), storedTags(tags)
	for _, s := range strings.Fields(admits) {
		g, err := uuid.Parse(s)
		if err != nil {
			return JoinToken{}, fmt.Errorf("join token: %w", err)
		}
		j.Admits = append(j.Admits, g)
	}
	return j, nil
}

// RemoveToken forgets one: nobody joins by it any more. Who has stays.
func (t *Tx) RemoveToken(name identity.Name) error {
	return t.one(`DELETE FROM join_tokens WHERE name = ?`, name)
}

// IsCode tells whether a machine may join with the code of that hash, and whether it is a
// token's.
func (t *Tx) IsCode(codeHash []byte, now time.Time) (one, many bool, err error) {
	err = t.get([]any{&one, &many}, `SELECT EXISTS (SELECT 1 FROM machines WHERE code_hash = ? AND code_expires >= ?),
		EXISTS (SELECT 1 FROM join_tokens WHERE code_hash = ? AND expires >= ? AND remaining > 0)`, codeHash, now.Unix(), codeHash, now.Unix())
	return one, many, err
}

// JoinByToken spends one of a token's joins and stores the machine of that name and key. It
// is identity.ErrNotFound when no such token is open, and ErrExists when the name or the
// key is known already.
func (t *Tx) JoinByToken(codeHash []byte, name identity.Name, key []byte, now time.Time) (Machine, error) {
	var token identity.Name
	err := t.get([]any{&token}, `UPDATE join_tokens SET remaining = remaining - 1 WHERE code_hash = ? AND expires >= ? AND remaining > 0 RETURNING name`, codeHash, now.Unix())
	if err != nil {
		return Machine{}, err
	}
	j, err := scanToken(func(into ...any) error { return t.get(into, tokenColumns+` WHERE name = ?`, token) })
	if err != nil {
		return Machine{}, err
	}
	id := uuid.New()
	if _, err := t.exec(`INSERT INTO machines (uuid, name, public_key, joined, code_expires, token, tags) VALUES (?, ?, ?, ?, 0, ?, ?)`, id, name, key, now.Unix(), token, j.Tags.stored()); err != nil {
		return Machine{}, err
	}
	if j.Scoped {
		if err := t.SetScope(id, append([]uuid.UUID{}, j.Admits...)); err != nil {
			return Machine{}, err
		}
	}
	if err := t.machinesChanged(); err != nil {
		return Machine{}, err
	}
	return t.MachineByName(name)
}
