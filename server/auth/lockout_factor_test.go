package auth

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// Who holds a card and has its PIN gets no more guesses at the code by it: what a
// login did not prove stays counted.
// Promise failures-by-factor.
func TestALoginByCardForgetsNoWrongCodes(t *testing.T) {
	b := newBench(t)
	b.totp()
	mine := b.card("p256", "mine")
	b.give("alice", mine)
	for range 2 {
		a := b.try("alice", right)
		b.answer(b.box, a.cookie, identity.TOTP, "000000")
	}
	before := b.failures("alice")
	if got := b.sign(b.begin(session{name: "alice"}), mine, false); !got.allow {
		t.Fatalf("%+v", got)
	}
	if n := b.failures("alice"); before == 0 || n != before {
		t.Errorf("%d failures before the login by card, %d after it", before, n)
	}
	a := b.try("alice", right)
	if got := b.answer(b.box, a.cookie, identity.TOTP, b.code(0)); !got.allow {
		t.Fatalf("%+v", got)
	}
	if n := b.failures("alice"); n != 0 {
		t.Errorf("%d failures after password and code", n)
	}
}

// Anyone at a prompt can guess at a name's password: that locks its passwords, and
// keeps nobody out who has a card. Nor do wrong codes lock passwords or cards.
// Promise failures-by-factor.
func TestFailuresLockTheFactorThatWasGuessedAtAndNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		guess                 func(b *bench)
		password, code, codeB bool // still possible
	}{
		"passwords": {guess: func(b *bench) { b.try("alice", "wrong") }, code: true, codeB: true},
		"codes": {guess: func(b *bench) {
			b.answer(b.box, b.try("alice", right).cookie, identity.TOTP, "000000")
		}, password: true},
		"backup codes": {guess: func(b *bench) {
			b.answer(b.box, b.try("alice", right).cookie, identity.BackupCode, "wrong")
		}, password: true},
		"cards": {guess: func(b *bench) { b.send(b.begin(session{name: "alice"}).cookie, identity.PIV, "x", false) }, password: true, code: true, codeB: true},
	} {
		b := newBench(t)
		b.totp()
		mine := b.card("p256", "mine")
		b.give("alice", mine)
		codes, err := b.admin.NewBackupCodes(t.Context(), &v1.NameRequest{Name: "alice"})
		b.must(nil, err)
		waiting := b.try("alice", right) // before the lock
		second := b.try("alice", right)
		for range originBrake.From {
			c.guess(b)
		}
		if got := b.try("alice", right); got.locked == c.password {
			t.Errorf("%s: a password: %s, locked %t", name, got.outcome(), got.locked)
		}
		if got := b.answer(b.box, waiting.cookie, identity.TOTP, b.code(0)); got.allow != c.code {
			t.Errorf("%s: a code: %s, locked %t", name, got.outcome(), got.locked)
		}
		if got := b.answer(b.box, second.cookie, identity.BackupCode, codes.GetCodes()[0]); got.allow != c.codeB {
			t.Errorf("%s: a backup code: %s, locked %t", name, got.outcome(), got.locked)
		}
		if got := b.sign(b.begin(session{name: "alice"}), mine, false); got.allow == (name == "cards") {
			t.Errorf("%s: the card: %s, locked %t", name, got.outcome(), got.locked)
		}
	}
}
