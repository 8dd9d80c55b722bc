package store

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"
)

// try writes, and returns what the write was refused with.
func try(t *testing.T, s *Store, f func(*Tx) error) error {
	t.Helper()
	return s.Write(t.Context(), f)
}

// Two machines may be told the same code at the same moment: the one write decides.
func TestATimeStepIsUsedOnceAndNoEarlierOneAfterIt(t *testing.T) {
	s, _ := newStore(t)
	ada, bob := add(t, s, "ada"), add(t, s, "bob")
	write(t, s, func(tx *Tx) error { return tx.SetTOTP(ada.UUID, []byte("sealed"), "") })
	var epoch uint64
	write(t, s, func(tx *Tx) error {
		o, err := tx.TOTP(ada.UUID)
		epoch = o.Epoch
		return err
	})
	for _, c := range []struct {
		what  string
		who   Account
		epoch uint64
		step  int64
		want  error
	}{
		{"the first", ada, epoch, 100, nil},
		{"the same again", ada, epoch, 100, ErrChanged},
		{"an earlier one", ada, epoch, 99, ErrChanged},
		{"one of another secret", ada, epoch + 1, 101, ErrChanged},
		{"one of somebody without a secret", bob, epoch, 101, ErrChanged},
		{"the next", ada, epoch, 101, nil},
	} {
		if err := try(t, s, func(tx *Tx) error { return tx.UseTOTPStep(c.who.UUID, c.epoch, c.step) }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestAStrongerHashIsOfThePasswordThatItReplaces(t *testing.T) {
	s, _ := newStore(t)
	ada := add(t, s, "ada")
	write(t, s, func(tx *Tx) error { return tx.SetPassword(ada.UUID, "old", time.Now()) })
	var p Password
	write(t, s, func(tx *Tx) (err error) { p, err = tx.Password(ada.UUID); return err })
	write(t, s, func(tx *Tx) error { return tx.SetPassword(ada.UUID, "new", time.Now()) })
	p.PHC = "old, stronger"
	if err := try(t, s, func(tx *Tx) error { return tx.Rehash(ada.UUID, p) }); !errors.Is(err, ErrChanged) {
		t.Errorf("a hash of the password of before: %v", err)
	}
	write(t, s, func(tx *Tx) (err error) { p, err = tx.Password(ada.UUID); return err })
	if p.PHC != "new" {
		t.Errorf("the hash is %q", p.PHC)
	}
}

func TestAMachineThatHasJoinedIsNotInvitedAgain(t *testing.T) {
	s, _ := newStore(t)
	now := time.Now()
	invite := func() error {
		return try(t, s, func(tx *Tx) error { _, err := tx.Invite("box", []byte("code"), now.Add(time.Hour)); return err })
	}
	if err := errors.Join(invite(), invite()); err != nil {
		t.Fatalf("before it has joined: %v", err)
	}
	write(t, s, func(tx *Tx) error {
		_, err := tx.Join([]byte("code"), make(ed25519.PublicKey, ed25519.PublicKeySize), now)
		return err
	})
	if err := invite(); !errors.Is(err, ErrExists) {
		t.Errorf("after it has: %v", err)
	}
}
