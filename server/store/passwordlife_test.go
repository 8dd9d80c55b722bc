package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise password-due-changed.
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
		return tx.SetPassword(a.UUID, "phc", time.Now())
	})
	first := changeBy()
	if first.ChangeBy != 0 || first.MustChange {
		t.Errorf("a new password: %+v", first)
	}
	before := revision()
	write(t, s, func(tx *Tx) error { return tx.SetPasswordRules(PasswordRules{MaxAge: 2}) })
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
	write(t, s, func(tx *Tx) error { return tx.SetPassword(a.UUID, "another", time.Now()) })
	if p := changeBy(); p.MustChange || p.ChangeBy < time.Now().Unix() {
		t.Errorf("after the change: %+v", p)
	}
}

// Promise password-history.
func TestUsedPasswordsAreAsManyAsTheRealmAsksFor(t *testing.T) {
	s, _ := newStore(t)
	a, b := add(t, s, "alice"), add(t, s, "bob")
	day := time.Unix(1_800_000_000, 0)
	set := func(phc string) {
		t.Helper()
		write(t, s, func(tx *Tx) error { return tx.SetPassword(a.UUID, phc, day) })
	}
	history := func(n uint32) {
		t.Helper()
		write(t, s, func(tx *Tx) error { return tx.SetPasswordRules(PasswordRules{MinLength: 8, History: n}) })
	}
	used := func(want ...string) {
		t.Helper()
		write(t, s, func(tx *Tx) error {
			got, err := tx.UsedPasswords(a.UUID)
			if !slices.Equal(got, want) {
				t.Errorf("used: %q, want %q", got, want)
			}
			return err
		})
	}
	rows := func(want int) {
		t.Helper()
		write(t, s, func(tx *Tx) error {
			var n int
			err := tx.get([]any{&n}, `SELECT COUNT(*) FROM old_passwords`)
			if n != want {
				t.Errorf("%d old hashes are kept, want %d", n, want)
			}
			return err
		})
	}
	write(t, s, func(tx *Tx) error { return tx.SetPassword(b.UUID, "bob's", day) })
	set("one")
	used()
	set("two")
	rows(0)
	history(3)
	used("two")
	set("three")
	set("four")
	used("four", "three", "two")
	set("five")
	used("five", "four", "three")
	rows(2)
	history(2)
	used("five", "four")
	rows(1)
	history(0)
	used()
	rows(0)
	history(2)
	set("six")
	used("six", "five")
	write(t, s, func(tx *Tx) error { return tx.RemoveAccount(a.UUID) })
	rows(0)
}
