package store

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAPasswordIsDueByItsAgeOrByTheAdministratorsWord(t *testing.T) {
	s, _ := newStore(t)
	a := add(t, s, "alice")
	changeBy := func() (p Password) {
		t.Helper()
		write(t, s, func(tx *Tx) (err error) {
			p, err = tx.Password(a.UUID)
			return err
		})
		return p
	}
	revision := func() uint64 {
		t.Helper()
		var r uint64
		write(t, s, func(tx *Tx) error {
			now, err := tx.Account(a.UUID)
			r = now.Revision
			return err
		})
		return r
	}
	write(t, s, func(tx *Tx) error {
		if err := tx.MustChangePassword(a.UUID, true); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("of an account without a password: %v", err)
		}
		return tx.SetPassword(a.UUID, "phc")
	})
	first := changeBy()
	if first.ChangeBy != 0 || first.MustChange {
		t.Errorf("a new password: %+v", first)
	}
	before := revision()
	write(t, s, func(tx *Tx) error { return tx.SetPasswordMaxAge(2) })
	if at := time.Unix(changeBy().ChangeBy, 0); time.Until(at) > 48*time.Hour || time.Until(at) < 47*time.Hour {
		t.Errorf("of two days: %s", at)
	}
	if revision() == before {
		t.Error("machines do not learn the new age")
	}
	write(t, s, func(tx *Tx) error { return tx.MustChangePassword(a.UUID, true) })
	if p := changeBy(); p.ChangeBy != identity.ChangeNow || !p.MustChange || p.Epoch != first.Epoch {
		t.Errorf("at the next login: %+v", p)
	}
	write(t, s, func(tx *Tx) error { return tx.SetPassword(a.UUID, "another") })
	if p := changeBy(); p.MustChange || p.ChangeBy < time.Now().Unix() {
		t.Errorf("after the change: %+v", p)
	}
}
