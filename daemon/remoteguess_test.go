package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
)

// Whoever is away for too long is asked all the same from another host, and told that with
// the right password.
func TestGuessesBehindARefusalAreCountedAsAnyOthers(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.lost()
	h.clk.pass(1000 * 24 * time.Hour)
	told := func(password string) string {
		v, conv := h.remote(password)
		if v.Code == identity.Granted {
			t.Fatal(v.Code)
		}
		return strings.Join(conv.told, " ")
	}
	for range 2 * h.d.p.OfflineTries { // a right one takes nothing from what is left
		if why := told("secret"); !strings.Contains(why, "Offline. Last checked") {
			t.Fatalf("told %q", why)
		}
	}
	for range h.d.p.OfflineTries {
		if why := told("wrong"); why != "" {
			t.Fatalf("told %q", why)
		}
	}
	if why := told("secret"); why != "" {
		t.Errorf("told %q after too many guesses", why)
	}
	h.clk.pass(48 * time.Hour)
	if why := told("secret"); !strings.Contains(why, "Offline. Last checked") {
		t.Errorf("told %q after the lock", why)
	}
}

func TestNothingIsTakenBackThatWasNotCounted(t *testing.T) {
	h := newTestMachine(t)
	h.give(token("alice", 1900000100))
	from := identity.Origin{}
	h.d.tries.TakeBack(bg, h.alice(), lockout.Password, from)
	for _, origin := range []string{from.String(), ""} {
		if f, err := h.cache.Failures(bg, h.alice(), lockout.Password, origin); err != nil || f.Count != 0 {
			t.Errorf("%d failures, %v", f.Count, err)
		}
	}
	if r := h.d.tries.Reserve(bg, h.alice(), lockout.Password, from); r.Code != identity.Granted {
		t.Errorf("%s", r.Code)
	}
}
