package realm

import (
	"testing"
	"time"
)

// A leaf of the realm's own authority is made anew while the server runs, in good time.
// Promise clients-renewed.
func TestALeafIsMadeAnewBeforeItEnds(t *testing.T) {
	b := newBoard(t)
	now := b.Now()
	c := b.certs
	c.now = func() time.Time { return now }
	number := func(after time.Duration) string {
		t.Helper()
		now = b.Now().Add(after)
		leaf, err := c.get(nil)
		if err != nil || now.After(leaf.Leaf.NotAfter) {
			t.Fatalf("after %v one is served that has ended (%v)", after, err)
		}
		return leaf.Leaf.SerialNumber.String()
	}
	first := number(0)
	if number(leafLife-leafRenew) != first {
		t.Error("it is made anew too early")
	}
	if number(leafLife-leafRenew+time.Second) == first {
		t.Error("it is not made anew 30 days before its end")
	}
}
