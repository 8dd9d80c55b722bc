package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/verify"
)

// A server of the release before replaces a public half, and knows nothing of what is held.
// Promise verify-held.
func TestAHalfThatIsHeldIsOfThePublicOneBesideIt(t *testing.T) {
	s, _ := newStore(t)
	write(t, s, func(tx *Tx) error {
		a, err := tx.AddAccount(person("alice"))
		must(t, err)
		must(t, tx.SetVerifyKey(a.UUID, VerifyKey{Public: []byte("one"), Made: time.Unix(5, 0), Sealed: []byte("held")}))
		k, err := tx.VerifyKey(a.UUID)
		if must(t, err); string(k.Sealed) != "held" {
			t.Errorf("%+v", k)
		}
		_, err = tx.exec(`UPDATE verify_keys SET public_key = ? WHERE account_uuid = ?`, []byte("two"), a.UUID)
		must(t, err)
		if k, err := tx.VerifyKey(a.UUID); err != nil || k.Sealed != nil {
			t.Errorf("of another key, and held: %+v, %v", k, err)
		}
		if owners, err := tx.EndHeldVerifyKeys(); err != nil || len(owners) != 0 {
			t.Errorf("%v, %v", owners, err)
		}
		if k, err := tx.VerifyKey(a.UUID); err != nil || string(k.Public) != "two" {
			t.Errorf("a machine's key ended: %+v, %v", k, err)
		}
		return nil
	})
}

func TestTheConsoleRemembersPlacesAndWhatWasHeard(t *testing.T) {
	s, _ := newStore(t)
	id := uuid.New()
	write(t, s, func(tx *Tx) error {
		a, err := tx.AddAccount(person("alice"))
		must(t, err)
		must(t, tx.SignedIn(a.UUID, ConsoleClient, "host 192.0.2.1", time.Unix(900, 0)))
		h := VerifyHeard{Realm: "b.example", ID: id, Name: "bob", Record: verify.Record{Confirmed: []byte("key"), ConfirmedAt: time.Unix(7, 0), Heard: 9}}
		h.Wrong = identity.Tally{Count: 3, Since: time.Unix(11, 0), LockedUntil: time.Unix(12, 0)}
		must(t, tx.SetVerifyHeard(a.UUID, VerifyHeard{Realm: "b.example", ID: id, Name: "of before"}))
		must(t, tx.SetVerifyHeard(a.UUID, h))
		all, err := tx.VerifyHeard(a.UUID)
		must(t, err)
		if len(all) != 1 || all[0].Name != "bob" || all[0].Heard != 9 || all[0].Wrong != h.Wrong || string(all[0].Confirmed) != "key" || !all[0].ConfirmedAt.Equal(h.ConfirmedAt) {
			t.Errorf("%+v", all)
		}
		return nil
	})
	write(t, s, func(tx *Tx) error {
		for origin, want := range map[string]int64{"host 192.0.2.1": 900, "host 192.0.2.2": 0} {
			at, err := tx.Attempt(ConsoleClient, "alice", origin)
			must(t, err)
			if !at.Known || at.OnMachine.Unix() != 900 || max(at.FromOrigin.Unix(), 0) != want {
				t.Errorf("%s: %+v, %s, %s", origin, at.Known, at.OnMachine, at.FromOrigin)
			}
		}
		a, err := tx.AccountByName("alice")
		must(t, err)
		places, err := tx.Places(a.UUID)
		if must(t, err); len(places) != 1 || places[0].Machine != "the console" {
			t.Errorf("%+v", places)
		}
		must(t, tx.Prune(time.Unix(0, 0), time.Unix(901, 0)))
		if places, err = tx.Places(a.UUID); err != nil || len(places) != 0 {
			t.Errorf("not pruned: %+v, %v", places, err)
		}
		must(t, tx.RemoveAccount(a.UUID))
		if all, err := tx.VerifyHeard(a.UUID); err != nil || len(all) != 0 {
			t.Errorf("of an account that is gone: %+v, %v", all, err)
		}
		if _, err := tx.VerifyKey(a.UUID); !errors.Is(err, identity.ErrNotFound) {
			t.Error(err)
		}
		return nil
	})
}
