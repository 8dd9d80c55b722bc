package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise attack-machine-failures, guess-places.
func TestMadeUpNamesPushOutOneAnotherAndNobodyElse(t *testing.T) {
	s, _ := newStore(t)
	now := time.Unix(1_800_000_000, 0)
	count := func(tx *Tx) (n int) {
		if err := tx.get([]any{&n}, `SELECT COUNT(*) FROM failures`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	add(t, s, "alice")
	err := s.Write(t.Context(), func(tx *Tx) error {
		one := Failures{Spot: Spot{Kind: identity.Password}, Tally: identity.Tally{Count: 7, Since: now}}
		if err := tx.SetFailures("alice", one, now); err != nil {
			return err
		}
		for i := range maxStrangers + 50 {
			if err := tx.SetFailures(identity.Name(fmt.Sprintf("x%d", i)), one, now.Add(time.Duration(i)*time.Second)); err != nil {
				return err
			}
		}
		if n := count(tx); n != maxStrangers+1 {
			t.Errorf("%d rows", n)
		}
		for name, want := range map[identity.Name]int{"alice": 1, "x0": 0, "x49": 0, "x50": 1} {
			if f, err := tx.Failures(name); err != nil || len(f) != want {
				t.Errorf("%s: %v, %v", name, f, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Promise guess-places.
func TestOnlySoManyPlacesOfOneMachineAreKept(t *testing.T) {
	s, _ := newStore(t)
	now := time.Unix(1_800_000_000, 0)
	a := add(t, s, "alice")
	err := s.Write(t.Context(), func(tx *Tx) error {
		m, err := tx.Invite("box", []byte("x"), now)
		if err != nil {
			return err
		}
		for i := range maxPlaces + 10 {
			if err := tx.SignedIn(a.UUID, m.UUID, fmt.Sprintf("host %d", i), now.Add(time.Duration(i)*time.Second)); err != nil {
				return err
			}
		}
		list, err := tx.Places(a.UUID)
		if err != nil || len(list) != 64 || list[0].Origin != fmt.Sprintf("host %d", maxPlaces+9) {
			t.Errorf("%d places, %v", len(list), err)
		}
		if err := tx.SignedIn(a.UUID, uuid.New(), "seat", now); err != nil {
			t.Errorf("a machine that is gone: %v", err)
		}
		if err := tx.RemoveMachine("box"); err != nil {
			return err
		}
		if list, err = tx.Places(a.UUID); err != nil || len(list) != 0 {
			t.Errorf("after the machine went: %v, %v", list, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
