package admin

import (
	"fmt"

	"github.com/sallyport-auth/sallyport/passwords"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

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
		return fmt.Errorf("%w: the least length of a password is %d to %d characters, not %d", realm.ErrInput, passwords.LeastMin, passwords.MostMin, rules.MinLength)
	case rules.History > passwords.MaxHistory:
		return fmt.Errorf("%w: at most %d passwords are remembered, not %d: each costs time at every change", realm.ErrInput, passwords.MaxHistory, rules.History)
	case rules.MaxAge > maxPasswordAge:
		return fmt.Errorf("%w: a password cannot be good for %d days, at most %d; 0 is for ever", realm.ErrInput, rules.MaxAge, maxPasswordAge)
	}
	return tx.SetPasswordRules(rules)
}
