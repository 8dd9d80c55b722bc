package verification

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity/verify"
)

// aCall is one that says something.
func aCall(t *testing.T) verify.Call {
	t.Helper()
	one, err := verify.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	two, err := verify.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	own, err := verify.Public(one)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := verify.Public(two)
	if err != nil {
		t.Fatal(err)
	}
	c, err := verify.Begin(one, verify.Party{ID: uuid.New(), Public: own}, verify.Party{ID: uuid.New(), Public: theirs}, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Promise verify-card-held.
func TestACallByACardIsHeldForTenMinutesAndThenWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h held
		id, call := heldID{account: uuid.New(), own: "a", theirs: "b"}, aCall(t)
		said, _ := call.Say(time.Unix(0, 0))
		wiped := func(c *verify.Call) bool { now, _ := c.Say(time.Unix(0, 0)); return now != said }
		h.put(id, call)
		time.Sleep(hold - time.Second)
		got, ok := h.get(id)
		if !ok || wiped(&got) || wiped(&call) {
			t.Fatal("it is not held")
		}
		got.End()
		if wiped(&call) {
			t.Error("the end of a copy is the end of the call")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, ok := h.get(id); ok || !wiped(&call) || len(h.calls) != 0 {
			t.Error("it is held for longer")
		}
		// The timer of a call that was replaced does not end the new one.
		first, second := aCall(t), aCall(t)
		h.put(id, first)
		time.Sleep(hold / 2)
		h.put(id, second)
		time.Sleep(hold - time.Second)
		if _, ok := h.get(id); !ok {
			t.Error("the call in its place is gone")
		}
		h.end(nil)
		if _, ok := h.get(id); ok || len(h.calls) != 0 {
			t.Error("the end left something behind")
		}
	})
}

// Promise verify-card-held.
func TestAHeldCallIsOfOnePairOfKeysAndOneSubject(t *testing.T) {
	var h held
	one := heldID{account: uuid.New(), realm: "b.example", id: uuid.New(), own: "a", theirs: "b", subject: "lunch"}
	h.put(one, aCall(t))
	for sentence, change := range map[string]func(*heldID){
		"another account": func(i *heldID) { i.account = uuid.New() }, "another realm": func(i *heldID) { i.realm = "" }, "another person": func(i *heldID) { i.id = uuid.New() },
		"another key of one's own": func(i *heldID) { i.own = "c" }, "another key of theirs": func(i *heldID) { i.theirs = "c" }, "another subject": func(i *heldID) { i.subject = "" },
	} {
		other := one
		change(&other)
		if _, ok := h.get(other); ok {
			t.Errorf("%s: the call is taken for it", sentence)
		}
	}
	if _, ok := h.get(one); !ok {
		t.Error("it is not held")
	}
	h.end(nil)
}
