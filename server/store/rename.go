package store

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// RenameAccount gives the account and its own group another name, which must be free.
// Its uuid, ids, home and all that it holds stay; what was counted of wrong answers goes
// with it, so that nobody gets more guesses by it.
func (t *Tx) RenameAccount(account uuid.UUID, name identity.Name) error {
	a, err := t.Account(account)
	if err != nil {
		return err
	}
	if err := t.rename(`UPDATE accounts SET name = ? WHERE uuid = ?`, account, a.Name, name); err != nil {
		return err
	}
	// What was guessed at the new name before was guessed at nobody's.
	if _, err := t.exec(`DELETE FROM failures WHERE name = ?`, name); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE failures SET name = ? WHERE name = ?`, name, a.Name); err != nil {
		return err
	}
	_, err = t.touch(account)
	return err
}

// RenameGroup gives the group another name, which must be free. Its uuid, gid and members
// stay.
func (t *Tx) RenameGroup(g identity.Group, name identity.Name) error {
	if err := t.rename(`UPDATE groups SET name = ? WHERE uuid = ?`, g.UUID, g.Name, name); err != nil {
		return err
	}
	return t.touchUnder(g.UUID)
}

func (t *Tx) rename(update string, id uuid.UUID, from, to identity.Name) error {
	if from == to {
		return fmt.Errorf("%q %w: it has that name already", to, ErrExists)
	}
	if err := t.claim(to); err != nil {
		return err
	}
	if err := t.one(update, to, id); err != nil {
		return err
	}
	return t.one(`DELETE FROM names WHERE name = ?`, from)
}
