package realm

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// Promise hop-clock.
func TestAMachinesClockIsThatOfItsNewestStream(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &Realm{Now: func() time.Time { return now }}
	m := uuid.New()
	is := func(why string, want time.Duration) {
		t.Helper()
		if got := r.ClockAhead(m); got != want {
			t.Errorf("%s: %s ahead, want %s", why, got, want)
		}
	}
	r.ClockSays(m, now.Add(time.Hour))
	is("of one that is not there", 0)
	first := r.ClockComes(m, now.Add(time.Hour))
	is("it has come", time.Hour)
	r.ClockSays(m, now.Add(-time.Hour))
	is("it has said so", -time.Hour)
	second := r.ClockComes(m, now.Add(time.Minute))
	r.ClockGoes(m, first)
	is("an older stream has ended", time.Minute)
	if other := uuid.New(); r.ClockAhead(other) != 0 {
		t.Error("another machine's clock is known")
	}
	r.ClockGoes(m, second)
	is("its stream has ended", 0)
	r.ClockComes(m, now.Add(time.Hour))
	r.ClockComes(m, time.Time{})
	is("a release that says no time has come", 0)
}
