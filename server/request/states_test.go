package request

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// TestEveryEventInEveryStateHasOneOutcome: each state with each event, as the package comment
// has it. What is not named here cannot happen.
// Promise request-states.
func TestEveryEventInEveryStateHasOneOutcome(t *testing.T) {
	judged := map[event]string{refuses: "denied", asksProof: "asked", waits: "waiting", grants: "granted"}
	with := func(more map[event]string) map[event]string {
		for e, s := range judged {
			more[e] = s
		}
		return more
	}
	want := map[string]map[event]string{
		"":          judged,
		"asked":     with(map[event]string{takesBack: "withdrawn", timeOver: "expired"}),
		"waiting":   with(map[event]string{denies: "denied", takesBack: "withdrawn", timeOver: "expired"}),
		"granted":   {uses: "used", takesBack: "ended", timeOver: "ended"},
		"used":      {uses: "used", takesBack: "ended", timeOver: "ended"},
		"denied":    {},
		"withdrawn": {},
		"expired":   {},
		"ended":     {},
	}
	now := time.Unix(1_800_000_000, 0)
	life := map[string]time.Duration{"asked": 10 * time.Minute, "waiting": time.Hour, "granted": 7 * time.Minute}
	states := append(store.RequestStates(), "")
	if len(states) != len(want) {
		t.Fatalf("%d states", len(states))
	}
	for _, s := range states {
		for e := event(0); e <= timeOver+1; e++ {
			r := store.Request{State: s, Until: now.Add(time.Second), WaitLife: life["waiting"], GrantLife: life["granted"]}
			next, can := want[string(s)][e]
			if happens(&r, e, now, "why") != can {
				t.Errorf("%q with event %d: it can be %t", s, e, !can)
				continue
			}
			if !can {
				if r.State != s || r.Why != "" {
					t.Errorf("%q with event %d, which cannot be, is %q", s, e, r.State)
				}
				continue
			}
			if string(r.State) != next {
				t.Errorf("%q with event %d is %q, want %q", s, e, r.State, next)
			}
			until := now
			if l, lives := life[next]; lives {
				until = now.Add(l)
			}
			if next == string(s) || next == "used" {
				until = now.Add(time.Second) // its time goes on
			}
			if !r.Until.Equal(until) {
				t.Errorf("%q with event %d lasts until %v, want %v", s, e, r.Until, until)
			}
			if r.Early != (next == "ended" && e == takesBack) {
				t.Errorf("%q with event %d is early: %t", s, e, r.Early)
			}
		}
		if is := granted(s); is != (s == "granted" || s == "used") {
			t.Errorf("%q may be used: %t", s, is)
		}
		if is := open(s); is != slices.Contains([]string{"asked", "waiting", "granted", "used"}, string(s)) {
			t.Errorf("%q is open: %t", s, is)
		}
	}
}

// TestTimeEndsAStateWithoutASweep: at that moment, and not before.
// Promise request-states.
func TestTimeEndsAStateWithoutASweep(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for s, want := range map[store.RequestState]store.RequestState{
		"asked": "expired", "waiting": "expired", "granted": "ended", "used": "ended", "denied": "denied", "withdrawn": "withdrawn", "ended": "ended", "expired": "expired",
	} {
		r := store.Request{State: s, Until: now}
		if got := at(r, now.Add(-time.Second)).State; got != s {
			t.Errorf("%q before its time is %q", s, got)
		}
		if got := at(r, now).State; got != want {
			t.Errorf("%q at its time is %q, want %q", s, got, want)
		}
	}
}
