package daemon

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

func TestSignaturesThatDoNotVerifyAreCountedApartAndLockTheCardAlone(t *testing.T) {
	h, _ := cardHouse(t)
	h.lost()
	h.cards.forge = true
	for i := range h.d.p.OfflineTries {
		if v := h.door("login", typing("123456")); v.Code != identity.Denied {
			t.Fatalf("%d: %s", i, v.Code)
		}
	}
	h.cards.forge = false
	f, err := h.cache.Failures(bg, h.alice(), kindCard, "user alice")
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
	if f, err = h.cache.Failures(bg, h.alice(), kindCard, "user alice"); err != nil || int(f.Count) != h.d.p.OfflineTries {
		t.Errorf("what did not prove the card leaves %d of its failures, %v", f.Count, err)
	}
}

// TestWhoMayLogInByCardGetsNoMoreGuessesAtTheRest: a thief of card and PIN guesses
// at what more a service demands.
func TestWhoMayLogInByCardGetsNoMoreGuessesAtTheRest(t *testing.T) {
	h, _ := cardHouse(t)
	h.lost()
	if v := h.door("login", typing("", "secret", "000000x")); v.Code != identity.Denied {
		t.Fatalf("a wrong code: %s", v.Code)
	}
	if v := h.door("login", typing("123456")); v.Code != identity.Granted {
		t.Fatalf("the card: %s", v.Code)
	}
	if f, err := h.cache.Failures(bg, h.alice(), kindCode, "user alice"); err != nil || f.Count != 1 {
		t.Errorf("%d wrong codes are counted after a login by card, %v", f.Count, err)
	}
	if v := h.door("login", typing("", "secret", h.code(0))); v.Code != identity.Granted {
		t.Fatalf("a right code: %s", v.Code)
	}
	if f, err := h.cache.Failures(bg, h.alice(), kindCode, "user alice"); err != nil || f.Count != 0 {
		t.Errorf("%d wrong codes are counted after a right one, %v", f.Count, err)
	}
}

// TestALoginByCardLeavesTheCodeThatIsKeptHere: the server seals a secret only when a
// code was proved, and by a card it says nothing of it.
func TestALoginByCardLeavesTheCodeThatIsKeptHere(t *testing.T) {
	h, _ := cardHouse(t)
	if v := h.door("login", typing("123456")); v.Code != identity.Granted {
		t.Fatalf("the card: %s", v.Code)
	}
	h.lost()
	if v := h.door("nocards", typing("secret", h.code(0))); v.Code != identity.Granted {
		t.Errorf("password and code without the server, after a login by card: %s", v.Code)
	}
}

func TestAWrongPINIsNoFailureOfTheAccount(t *testing.T) {
	h, _ := cardHouse(t)
	h.lost()
	h.door("vault", typing("111111", "222222"))
	for _, kind := range []string{kindOffline, kindCode, kindCard} {
		if f, err := h.cache.Failures(bg, h.alice(), kind, "user alice"); err != nil || f.Count != 0 {
			t.Errorf("%s: %d, %v", kind, f.Count, err)
		}
	}
}
