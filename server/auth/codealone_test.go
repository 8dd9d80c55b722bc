package auth

import (
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// Promise stolen-code.
func TestAOneTimeCodeAloneLetsNobodyIn(t *testing.T) {
	b := newBench(t)
	b.totp()
	a := b.begin(session{})
	if slices.Contains(a.offers, identity.TOTP) {
		t.Fatal("a code is asked for before the password: " + a.said())
	}
	for _, typed := range []string{b.code(0), "wrong" + b.code(0), right + "x" + b.code(0)} {
		if got := b.send(b.begin(session{}).cookie, identity.Password, typed, false); got.allow || len(got.offers) > 0 {
			t.Errorf("%q leads on: %s", typed, got.said())
		}
	}
	got, err := b.step(t.Context(), machineAsClient(b.box), b.begin(session{}).cookie, identity.TOTP, identity.NewSecret([]byte(b.code(0))), false)
	if err == nil && (got.allow || len(got.offers) > 0) {
		t.Errorf("the code alone leads on: %s", got.said())
	}
}
