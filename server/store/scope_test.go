package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAScopeAdmitsTheMembersOfItsGroupsAndNobodyElse(t *testing.T) {
	s, _ := newStore(t)
	ada, bob, eve := add(t, s, "ada"), add(t, s, "bob"), add(t, s, "eve")
	first, second, within := addGroup(t, s, "first"), addGroup(t, s, "second"), addGroup(t, s, "within")
	var m Machine
	write(t, s, func(tx *Tx) (err error) {
		m, err = tx.Invite("box", []byte("hash"), time.Unix(2_000_000_000, 0))
		return errors.Join(err, tx.AddAccountTo(first.UUID, ada.UUID), tx.AddAccountTo(within.UUID, bob.UUID), tx.AddGroupTo(second.UUID, within.UUID))
	})
	admits := func(when string, machine uuid.UUID, want ...identity.Name) {
		t.Helper()
		for _, a := range []Account{ada, bob, eve, person("nobody")} {
			var got Account
			err := s.Read(t.Context(), func(tx *Tx) (err error) { got, err = tx.AccountFor(machine, a.Name); return err })
			if err == nil && got.UUID != a.UUID {
				t.Errorf("%s, %s: it is %s", when, a.Name, got.Name)
			}
			if slices.Contains(want, a.Name) != (err == nil) || err != nil && !errors.Is(err, identity.ErrNotFound) {
				t.Errorf("%s, %s: %v", when, a.Name, err)
			}
		}
		if machine != m.UUID {
			return
		}
		var listed []identity.Name
		err := s.Read(t.Context(), func(tx *Tx) error {
			for after := identity.Name(""); ; after = listed[len(listed)-1] {
				some, err := tx.AccountsFor(machine, after, 1)
				if err != nil || len(some) == 0 {
					return err
				}
				listed = append(listed, some[0].Name)
			}
		})
		if err != nil || !slices.Equal(listed, want) {
			t.Errorf("%s, the list is %v: %v", when, listed, err)
		}
	}
	scope := func(groups []uuid.UUID, names ...identity.Name) {
		t.Helper()
		write(t, s, func(tx *Tx) error { return tx.SetScope(m.UUID, groups) })
		err := s.Read(t.Context(), func(tx *Tx) error {
			got, scoped, err := tx.Scope(m.UUID)
			if scoped != (groups != nil) || !slices.Equal(got, names) {
				t.Errorf("the scope is said to be %v, %t", got, scoped)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	admits("without a scope", m.UUID, "ada", "bob", "eve")
	scope([]uuid.UUID{first.UUID, second.UUID}, "first", "second")
	admits("of two groups", m.UUID, "ada", "bob")
	scope([]uuid.UUID{second.UUID}, "second")
	admits("of one of them", m.UUID, "bob")
	scope([]uuid.UUID{})
	admits("of none", m.UUID)
	scope(nil)
	admits("without one again", m.UUID, "ada", "bob", "eve")
	admits("a machine that is not known", uuid.New())
}
