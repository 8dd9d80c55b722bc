package identity

import (
	"testing"
	"time"
)

func TestABrakeDoublesUpToItsMost(t *testing.T) {
	b := Brake{From: 3, First: 30 * time.Second, Most: 100 * time.Second, Quiet: time.Hour}
	now := time.Unix(1_800_000_000, 0)
	var f Tally
	for i, want := range []time.Duration{0, 0, 30 * time.Second, time.Minute, 100 * time.Second, 100 * time.Second} {
		f = b.Fail(f, now)
		if want == 0 && f.Locked(now) || want > 0 && f.LockedUntil.Sub(now) != want {
			t.Fatalf("failure %d locks until %v", i+1, f.LockedUntil.Sub(now))
		}
		now = now.Add(want)
	}
	if f = b.Fail(f, now.Add(time.Hour)); f.Count != 1 {
		t.Errorf("%d failures after a quiet hour", f.Count)
	}
}

func TestALeakyBrakeForgetsOneAtATime(t *testing.T) {
	b := Brake{From: 3, First: time.Minute, Most: time.Hour, Forget: time.Hour}
	start := time.Unix(1_800_000_000, 0)
	var f Tally
	for range 4 {
		f = b.Fail(f, start)
	}
	for after, want := range map[time.Duration]uint32{
		-time.Hour: 4, 0: 4, time.Hour - 1: 4, time.Hour: 3, 150 * time.Minute: 2, 4 * time.Hour: 0, 1000 * time.Hour: 0,
	} {
		if got := b.Now(f, start.Add(after)); got.Count != want {
			t.Errorf("after %v: %d, want %d", after, got.Count, want)
		}
	}
	// A failure does not put off that older ones are forgotten.
	g := b.Fail(f, start.Add(90*time.Minute))
	if got := b.Now(g, start.Add(2*time.Hour)); g.Count != 4 || got.Count != 3 {
		t.Errorf("%d, then %d", g.Count, got.Count)
	}
}
