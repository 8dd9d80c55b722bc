package resolver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/subid"
)

func TestTheLinkFollowsItsTable(t *testing.T) {
	events := []Event{Answered, CaughtUp, Alive, Failed, Broken}
	for _, row := range []struct {
		from    State
		watches bool
		to      [5]State
	}{
		{starting, true, [5]State{starting, Online, Online, Offline, Offline}},
		{Online, true, [5]State{Online, Online, Online, Offline, Offline}},
		{Offline, true, [5]State{Offline, Online, Online, Offline, Offline}},
		{starting, false, [5]State{Online, Online, Online, Offline, Offline}},
		{Online, false, [5]State{Online, Online, Online, Offline, Offline}},
		{Offline, false, [5]State{Online, Online, Online, Offline, Offline}},
	} {
		for i, e := range events {
			if got := row.from.next(e, row.watches); got != row.to[i] {
				t.Errorf("%s, event %d, stream %t: %s, want %s", row.from, e, row.watches, got, row.to[i])
			}
		}
	}
}

// Promise kanidm-unknown-name.
func TestACrowdOfUnknownNamesFillsNoMemory(t *testing.T) {
	var a absent
	for i := range 10 * maxAbsent {
		a.add(fmt.Sprint(i), time.Duration(i)*time.Microsecond+1)
		if len(a.until) > maxAbsent {
			t.Fatalf("%d are remembered", len(a.until))
		}
	}
	if !a.has(fmt.Sprint(10*maxAbsent-1), time.Second) || a.has("0", time.Second) {
		t.Error("not the newest are remembered")
	}
	if a.add("x", 0); a.has("x", 0) {
		t.Error("without a clock a no would be for ever")
	}
}

func FuzzFirstFree(f *testing.F) {
	f.Add([]byte("alice:600113152:65536\nbob:600178688:65536\n"))
	f.Add([]byte("a:4294967295:4294967295\n:::\n#x:1:1\na:1:1:1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var list []identity.IDRange
		for _, l := range subid.Parse(text) {
			list = append(list, l.IDRange)
		}
		if start, ok := firstFree(identity.SubIDRange, list); ok {
			for _, r := range list {
				if r.Min <= start+identity.SubIDCount-1 && start <= r.Max {
					t.Fatalf("%d overlaps %v", start, r)
				}
			}
		}
	})
}

// The list was whole when the server was last there; now it names somebody new.
// Promise realms-newcomer.
func TestSomebodyNewIsNotUnknownForAListThatWasWhole(t *testing.T) {
	d := &Resolver{clock: newClock(nil, time.Now, func() time.Duration { return time.Hour }), link: newLink(true, time.Now(), time.Now)}
	d.kept.Store(&cache.Contact{Complete: true})
	d.link.note(Broken, nil)
	for why, want := range map[error]error{errUnsettled: identity.ErrUnavailable, errHistory: identity.ErrNotFound} {
		_, err := d.find(context.Background(), func() *directory.Entry { return nil }, func(context.Context) error { return why }, true)
		if !errors.Is(err, want) {
			t.Errorf("%v: %v", why, err)
		}
	}
}
