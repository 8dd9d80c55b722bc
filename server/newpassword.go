package server

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/passwords"
	"github.com/sallyport-auth/sallyport/server/store"
)

// maxHistory bounds what a change of password costs: each password that is remembered is
// one Argon2id computation, in the hasher's slots.
const maxHistory = 10

// newPasswordFor is what a new password of an account is judged by.
type newPasswordFor struct {
	account uuid.UUID
	subject passwords.Subject
	used    []string // hashes
}

// forNewPassword reads it.
func (r *realm) forNewPassword(tx *store.Tx, a store.Account) (newPasswordFor, error) {
	rules, err := tx.PasswordRules()
	if err != nil {
		return newPasswordFor{}, err
	}
	used, err := tx.UsedPasswords(a.UUID)
	return newPasswordFor{
		account: a.UUID, used: used,
		subject: passwords.Subject{Min: int(rules.MinLength), Name: a.Name, FullName: a.FullName, Realm: r.Name},
	}, err
}

// rulesFor is forNewPassword at a moment of its own.
func (r *realm) rulesFor(ctx context.Context, a store.Account) (n newPasswordFor, err error) {
	err = r.store.Read(ctx, func(tx *store.Tx) error {
		n, err = r.forNewPassword(tx, a)
		return err
	})
	return n, err
}

// good judges all but the history, which takes hashes. It returns a passwords.RefusalError.
func (r *realm) good(n newPasswordFor, password identity.Secret) error {
	return passwords.Check(password, n.subject, r.common)
}

// unused tells by a passwords.RefusalError that the account had the password not long ago.
// It is asked last, of who proved all that a change takes: it answers what a password
// of before was.
func (r *realm) unused(ctx context.Context, who uuid.UUID, n newPasswordFor, password identity.Secret) error {
	for _, phc := range n.used[:min(len(n.used), maxHistory)] {
		is, _, err := r.hasher.verify(ctx, who, phc, password)
		if err != nil {
			return err
		}
		if is {
			return passwords.RefusalError("That password was used for this account before.")
		}
	}
	return nil
}

func setPasswordRules(tx *store.Tx, min, history, age *uint32) error {
	rules, err := tx.PasswordRules()
	if err != nil || min == nil && history == nil && age == nil {
		return err
	}
	for from, into := range map[*uint32]*uint32{min: &rules.MinLength, history: &rules.History, age: &rules.MaxAge} {
		if from != nil {
			*into = *from
		}
	}
	switch {
	case rules.MinLength < passwords.LeastMin || rules.MinLength > passwords.MostMin:
		return fmt.Errorf("%w: the least length of a password is %d to %d characters, not %d", errInput, passwords.LeastMin, passwords.MostMin, rules.MinLength)
	case rules.History > maxHistory:
		return fmt.Errorf("%w: at most %d passwords are remembered, not %d: each costs time at every change", errInput, maxHistory, rules.History)
	case rules.MaxAge > maxPasswordAge:
		return fmt.Errorf("%w: a password cannot be good for %d days, at most %d; 0 is for ever", errInput, rules.MaxAge, maxPasswordAge)
	}
	return tx.SetPasswordRules(rules)
}
