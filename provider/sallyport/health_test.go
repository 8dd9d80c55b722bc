package sallyport

import (
	"errors"
	"testing"
	"time"
)

// Promise servers-health.
func TestTheTableOfConditionsIsWhole(t *testing.T) {
	//                        claimed  answered  failed  unclear
	want := map[condition][4]condition{
		up:     {up, up, down, up},
		trying: {trying, up, down, down},
		down:   {trying, up, down, down},
	}
	for _, c := range []condition{up, trying, down} {
		for _, h := range []happening{claimed, answered, failed, unclear} {
			if got := c.next(h); got != want[c][h] {
				t.Errorf("%s, then %d: %s, want %s", c, h, got, want[c][h])
			}
		}
	}
}

// testHealth is a server on a clock of its own, whose waits are not shortened.
func testHealth() (*health, *time.Time) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &health{now: func() time.Time { return now }, jitter: func(d time.Duration) time.Duration { return d }}, &now
}

var errTest = errors.New("it is down")

// Promise servers-health.
func TestAServerThatIsDownIsLeftAloneEverLonger(t *testing.T) {
	h, now := testHealth()
	if !h.claim() {
		t.Fatal("a server that nobody has asked is not tried")
	}
	h.note(failed, errTest)
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
		*now = now.Add(want - 1)
		if h.claim() {
			t.Fatalf("failure %d: it is tried within %v", i+1, want)
		}
		*now = now.Add(1)
		if !h.claim() {
			t.Fatalf("failure %d: it is not tried after %v", i+1, want)
		}
		if h.claim() {
			t.Fatalf("failure %d: two try at once", i+1)
		}
		h.note(failed, errTest)
	}
	*now = now.Add(30 * time.Second)
	if !h.claim() || !h.note(answered, nil) || !h.claim() || !h.claim() {
		t.Fatal("it answers, and is not used by all")
	}
	h.note(failed, errTest)
	if *now = now.Add(time.Second); !h.claim() {
		t.Error("after an answer the wait does not begin anew")
	}
}

// Promise servers-health.
func TestACrowdThatFailsAtOnceCountsOnce(t *testing.T) {
	h, now := testHealth()
	for range 16 {
		h.note(failed, errTest)
	}
	if *now = now.Add(time.Second); !h.claim() {
		t.Error("sixteen that failed together doubled the wait")
	}
}

// Promise servers-health.
func TestATryThatIsGivenUpIsLeftToTheNext(t *testing.T) {
	h, now := testHealth()
	h.note(failed, errTest)
	*now = now.Add(time.Second)
	if !h.claim() {
		t.Fatal("it is not due")
	}
	h.note(unclear, nil)
	if v := h.view(); v.is != down || !errors.Is(v.why, errTest) {
		t.Errorf("%+v", v)
	}
	if !h.claim() {
		t.Error("the next request does not find out")
	}
}

// Promise servers-health.
func TestSinceTellsOfTheChangeAndNotOfTheLastRequest(t *testing.T) {
	h, now := testHealth()
	h.note(answered, nil)
	began := *now
	*now = now.Add(time.Minute)
	h.note(answered, nil)
	if v := h.view(); !v.since.Equal(began) || v.why != nil {
		t.Errorf("up: %+v", v)
	}
	h.note(failed, errTest)
	fell := *now
	*now = now.Add(time.Minute)
	h.claim()
	h.note(failed, errTest)
	if v := h.view(); !v.since.Equal(fell) || !errors.Is(v.why, errTest) {
		t.Errorf("down: %+v", v)
	}
}

// Promise servers-health.
func TestAWaitIsBetweenHalfOfItAndAllOfIt(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for range 10000 {
		d := jittered(time.Second)
		least, most = min(least, d), max(most, d)
	}
	if least < time.Second/2 || most > time.Second || most-least < time.Second/4 {
		t.Errorf("from %v to %v", least, most)
	}
}
