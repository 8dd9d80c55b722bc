package daemon

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// noFor is for how long a no is remembered.
const noFor = 5 * time.Second

func (h *testMachine) unknown(name string) {
	h.t.Helper()
	if _, err := h.d.AccountByName(bg, name); !errors.Is(err, identity.ErrNotFound) {
		h.t.Errorf("%s: %v", name, err)
	}
}

// asks is how often the server is asked by a call.
func (h *testMachine) asks(call func()) int64 {
	was := h.srv.fetches.Load()
	call()
	return h.srv.fetches.Load() - was
}

// Promise kanidm-unknown-name.
func TestAnUnknownNameIsAskedForOnceInAWhile(t *testing.T) {
	h := newTestMachine(t, onlyFetches)
	if n := h.asks(func() {
		for range 100 {
			h.unknown("nobody")
		}
	}); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if n := h.asks(func() { h.unknown("another") }); n != 1 {
		t.Errorf("another name: asked %d times", n)
	}
	h.clk.pass(noFor)
	if n := h.asks(func() { h.unknown("nobody") }); n != 1 {
		t.Errorf("later: asked %d times", n)
	}
	h.clk.set(time.Now().Add(-1000 * time.Hour)) // the wall clock is nothing to it
	h.clk.pass(noFor)
	if n := h.asks(func() { h.unknown("nobody") }); n != 1 {
		t.Errorf("with another time of day: asked %d times", n)
	}
}

// Promise kanidm-unknown-name.
func TestANoOfALookupIsNoneForALogin(t *testing.T) {
	h := newTestMachine(t, onlyFetches)
	h.unknown("alice")
	h.srv.set(t, token("alice", 1900000100), nil)
	h.expect(identity.Granted, "alice", "secret")
	if _, err := h.d.AccountByName(bg, "alice"); err != nil {
		t.Error(err) // what is learnt ends the no
	}
	if _, err := h.d.AccountByUID(bg, 1900000100); err != nil {
		t.Error(err)
	}
}

// Promise kanidm-unknown-name.
func TestANoIsOverWhenSomebodyAsksForEverythingAnew(t *testing.T) {
	h := newTestMachine(t, onlyFetches)
	for sentence, anew := range map[string]func(){
		"cache refresh": func() { _, err := h.refresh(""); must(t, err) },
		"cache clear":   func() { must(t, h.d.ForgetEverything(bg)) },
	} {
		h.unknown("nobody")
		anew()
		if n := h.asks(func() { h.unknown("nobody") }); n != 1 {
			t.Errorf("%s: asked %d times", sentence, n)
		}
	}
}

// Promise kanidm-unknown-name.
func TestANoIsNoneWhileTheServerIsAway(t *testing.T) {
	h := newTestMachine(t, onlyFetches)
	h.unknown("alice")
	h.comes(down)
	_, _ = h.d.AccountByName(bg, "nobody") // it is seen to be away
	if _, err := h.d.AccountByName(bg, "alice"); !errors.Is(err, identity.ErrUnavailable) {
		t.Error(err)
	}
}

func BenchmarkUnknownName(b *testing.B) {
	h := newTestMachine(b, onlyFetches)
	for b.Loop() {
		_, _ = h.d.AccountByName(bg, "nobody")
	}
}
