package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/passwords"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// newPasswordFor is what a new password of an account is judged by.
type newPasswordFor struct {
	account uuid.UUID
	subject passwords.Subject
	used    []string // hashes
}

// forNewPassword reads it.
func (e *Engine) forNewPassword(tx *store.Tx, a store.Account) (newPasswordFor, error) {
	rules, err := tx.PasswordRules()
	if err != nil {
		return newPasswordFor{}, err
	}
	used, err := tx.UsedPasswords(a.UUID)
	return newPasswordFor{
		account: a.UUID, used: used,
		subject: passwords.Subject{Min: int(rules.MinLength), Name: a.Name, FullName: a.FullName, Realm: e.Name},
	}, err
}

// rulesFor is forNewPassword at a moment of its own.
func (e *Engine) rulesFor(ctx context.Context, a store.Account) (n newPasswordFor, err error) {
	err = e.Store.Read(ctx, func(tx *store.Tx) error {
		n, err = e.forNewPassword(tx, a)
		return err
	})
	return n, err
}

// passwordRules are the realm's.
func (e *Engine) passwordRules(ctx context.Context) (rules store.PasswordRules, err error) {
	err = e.Store.Once(ctx, func(tx *store.Tx) (err error) {
		rules, err = tx.PasswordRules()
		return err
	})
	return rules, err
}

// good judges all but the history, which takes hashes. It returns a passwords.RefusalError.
func (e *Engine) good(n newPasswordFor, password identity.Secret) error {
	return passwords.Check(password, n.subject, e.common)
}

// unused tells by a passwords.RefusalError that the account had the password not long ago.
// It is asked last, of who proved all that a change takes: it answers what a password
// of before was. Passwords that are registered by OPAQUE cannot be compared.
func (e *Engine) unused(ctx context.Context, who uuid.UUID, n newPasswordFor, password identity.Secret) error {
	for _, phc := range n.used[:min(len(n.used), passwords.MaxHistory)] {
		if isRegistered(phc) {
			continue
		}
		is, _, err := e.hasher.verify(ctx, who, phc, password)
		if err != nil {
			return err
		}
		if is {
			return passwords.RefusalError("That password was used for this account before.")
		}
	}
	return nil
}

// NewPassword judges a password that an administrator sets for the account that find
// returns, and hashes it.
func (e *Engine) NewPassword(ctx context.Context, find func(*store.Tx) (store.Account, error), password identity.Secret) (account uuid.UUID, phc string, err error) {
	var n newPasswordFor
	err = e.Store.Read(ctx, func(tx *store.Tx) error {
		a, err := find(tx)
		if err == nil {
			n, err = e.forNewPassword(tx, a)
		}
		return err
	})
	if err == nil {
		err = e.good(n, password)
	}
	if err == nil {
		err = e.unused(ctx, uuid.Nil, n, password)
	}
	if why, is := passwords.IsRefusal(err); is {
		err = fmt.Errorf("%w: %w Choose another one. Nothing was changed", realm.ErrInput, why)
	}
	if err != nil {
		return uuid.Nil, "", err
	}
	phc, err = e.hasher.hash(ctx, uuid.Nil, password)
	return n.account, phc, err
}

// CommonPasswords says what list of common passwords is in use.
func (e *Engine) CommonPasswords() (entries int, path string, fault error) { return e.common.State() }
