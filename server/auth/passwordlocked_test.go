package auth

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// While codes are locked, a change of the password is no way to try more of them.
func TestAPasswordIsNotChangedWhileCodesAreLocked(t *testing.T) {
	b := newBench(t)
	b.totp()
	change := func(code string) answer {
		t.Helper()
		a, err := b.changePassword(t.Context(), machineAsClient(b.box), "alice", "seat", identity.NewSecret([]byte(right)),
			identity.NewSecret([]byte(code)), identity.NewSecret([]byte("another long one")))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for range originBrake.From {
		if change("000000").allow {
			t.Fatal("a wrong code changes the password")
		}
	}
	if change(b.code(0)).allow {
		t.Fatal("the right code changes the password while codes are locked")
	}
	b.unix.Add(int64(originBrake.Most.Seconds()) + 1)
	if !change(b.code(0)).allow {
		t.Fatal("the right code does not change it after the lock")
	}
}
