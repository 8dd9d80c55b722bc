package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise card-signature.
func TestBadSignaturesAreCountedApartAndLockTheCardAlone(t *testing.T) {
	h, _ := machineWithCard(t)
	h.lost()
	h.cards.forge = true
	for i := range h.d.p.OfflineTries {
		if v := h.door("login", typing("123456")); v.Code != identity.Denied {
			t.Fatalf("%d: %s", i, v.Code)
		}
	}
	h.cards.forge = false
	f, err := h.cache.Failures(bg, h.alice(), lockout.Card, "user alice")
	if err != nil || int(f.Count) != h.d.p.OfflineTries {
		t.Fatalf("%d are counted, %v", f.Count, err)
	}
	var x report.Explanation
	must(t, h.d.Handle(bg, identity.Peer{}, report.VerbExplain, []byte(`{"name":"alice"}`), func(v any) error { x = v.(report.Explanation); return nil }))
	if x.Locked == nil || x.Offline.CardFailures != h.d.p.OfflineTries || !x.Offline.Possible {
		t.Errorf("%+v", x.Offline)
	}
	h.restart()
	h.lostAgain()
	if v := h.door("vault", typing("123456")); v.Code != identity.TooManyTries {
		t.Errorf("the card alone: %s", v.Code)
	}
	// The password is another factor, and its own count is clear.
	if v := h.door("login", typing("secret", h.code(0))); v.Code != identity.Granted {
		t.Errorf("the other ways: %s", v.Code)
	}
	if f, err = h.cache.Failures(bg, h.alice(), lockout.Card, "user alice"); err != nil || int(f.Count) != h.d.p.OfflineTries {
		t.Errorf("what did not prove the card leaves %d of its failures, %v", f.Count, err)
	}
}

// TestWhoMayLogInByCardGetsNoMoreGuessesAtTheRest: a thief of card and PIN guesses
// at what more a service demands.
// Promise failures-by-factor, card-signature.
func TestWhoMayLogInByCardGetsNoMoreGuessesAtTheRest(t *testing.T) {
	h, _ := machineWithCard(t)
	h.lost()
	if v := h.door("login", typing("", "secret", "000000x")); v.Code != identity.Denied {
		t.Fatalf("a wrong code: %s", v.Code)
	}
	if v := h.door("login", typing("123456")); v.Code != identity.Granted {
		t.Fatalf("the card: %s", v.Code)
	}
	if f, err := h.cache.Failures(bg, h.alice(), lockout.Code, "user alice"); err != nil || f.Count != 1 {
		t.Errorf("%d wrong codes are counted after a login by card, %v", f.Count, err)
	}
	if v := h.door("login", typing("", "secret", h.code(0))); v.Code != identity.Granted {
		t.Fatalf("a right code: %s", v.Code)
	}
	if f, err := h.cache.Failures(bg, h.alice(), lockout.Code, "user alice"); err != nil || f.Count != 0 {
		t.Errorf("%d wrong codes are counted after a right one, %v", f.Count, err)
	}
}

// TestALoginByCardLeavesTheCodeThatIsKeptHere: the server seals a secret only when a
// code was proved, and by a card it says nothing of it.
func TestALoginByCardLeavesTheCodeThatIsKeptHere(t *testing.T) {
	h, _ := machineWithCard(t)
	if v := h.door("login", typing("123456")); v.Code != identity.Granted {
		t.Fatalf("the card: %s", v.Code)
	}
	h.lost()
	if v := h.door("nocards", typing("secret", h.code(0))); v.Code != identity.Granted {
		t.Errorf("password and code without the server, after a login by card: %s", v.Code)
	}
}

// Promise card-signature.
func TestAWrongPINIsNoFailureOfTheAccount(t *testing.T) {
	h, _ := machineWithCard(t)
	h.lost()
	h.door("vault", typing("111111", "222222"))
	for _, kind := range []string{lockout.Password, lockout.Code, lockout.Card} {
		if f, err := h.cache.Failures(bg, h.alice(), kind, "user alice"); err != nil || f.Count != 0 {
			t.Errorf("%s: %d, %v", kind, f.Count, err)
		}
	}
}

// TestWrongPINsAreCountedHereToo: a card forgets its wrong PINs at the next right one, and
// whoever sits at the reader now and then must not live on that.
// Promise card-pins-counted.
func TestWrongPINsAreCountedHereToo(t *testing.T) {
	h, c := machineWithCard(t)
	h.lost()
	wrong := func() identity.Code { return h.door("vault", typing("111111", "")).Code }
	for range lockout.PINBrake().From {
		c.retries = 3 // the owner was there
		wrong()
	}
	if f, err := h.cache.Failures(bg, h.alice(), lockout.PIN, "user alice"); err != nil || f.Count != lockout.PINBrake().From {
		t.Fatalf("%d are counted, %v", f.Count, err)
	}
	c.retries = 3
	signs := h.cards.signs
	conv := typing("123456", "secret", h.code(0))
	v := h.door("login", conv)
	if h.cards.signs != signs {
		t.Error("the card was told a PIN all the same")
	}
	if v.Code == identity.Granted || !strings.Contains(strings.Join(conv.told, "\n"), "Too many wrong") {
		t.Errorf("%s; told %q", v.Code, conv.told)
	}
	if v := h.door("login", typing("secret", h.code(0))); v.Code != identity.Granted {
		t.Errorf("the other factors: %s", v.Code)
	}
	h.clk.pass(time.Minute + time.Second)
	if v := h.door("login", typing("123456")); v.Code != identity.Granted {
		t.Errorf("a minute later: %s", v.Code)
	}
	if f, err := h.cache.Failures(bg, h.alice(), lockout.PIN, "user alice"); err != nil || f.Count != lockout.PINBrake().From {
		t.Errorf("a right PIN leaves %d, %v", f.Count, err)
	}
}

// TestOnlyAWrongPINCountsAsOne: what else goes wrong with a card is nobody's guess.
// Promise card-pins-counted.
func TestOnlyAWrongPINCountsAsOne(t *testing.T) {
	h, _ := machineWithCard(t)
	h.lost()
	for _, f := range []identity.CardFault{identity.CardRemoved, identity.CardBusy, identity.CardUntouched, identity.CardUnknown} {
		h.cards.before = func() error { return fault(f) }
		h.door("vault", typing("123456"))
	}
	if f, err := h.cache.Failures(bg, h.alice(), lockout.PIN, "user alice"); err != nil || f.Count != 0 {
		t.Errorf("%d are counted, %v", f.Count, err)
	}
}

// Promise card-pins-counted.
func TestAPINThatCannotBeCountedIsNotTold(t *testing.T) {
	h, _ := machineWithCard(t)
	h.lost()
	signs := h.cards.signs
	must(t, h.cache.Close())
	if v := h.door("vault", typing("123456")); v.Code == identity.Granted || h.cards.signs != signs {
		t.Errorf("%s, and the card was told %d PINs", v.Code, h.cards.signs-signs)
	}
	// Nor where it is the count itself that fails, and not the look before.
	pin := func() (identity.CardProof, error) { t.Error("the card is asked"); return identity.CardProof{}, nil }
	if _, err := countPIN(bg, h.d.Gate, h.alice(), identity.OriginOfUser("alice"), pin); err == nil {
		t.Error("no error")
	}
	if err := h.d.mayTypePIN(bg, h.alice(), identity.OriginOfUser("alice")); err == nil {
		t.Error("a count that cannot be read locks nothing")
	}
}
