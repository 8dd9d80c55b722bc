package directory

import (
	"testing"

	"github.com/google/uuid"
)

// TestTwoInstancesAreToldFromOneThatComesAgain is the table of streams.go.
// Promise machine-copies.
func TestTwoInstancesAreToldFromOneThatComesAgain(t *testing.T) {
	a, b, none := uuid.New(), uuid.New(), uuid.Nil
	for sentence, c := range map[string]struct {
		come    []uuid.UUID
		alarmed bool
		two     int // which of them raises the alarm, from 1; 0: none
		ended   int // streams that are ended
	}{
		"one, whose network comes and goes":          {[]uuid.UUID{a, a, a, a}, false, 0, 0},
		"one that started anew":                      {[]uuid.UUID{a, b, b}, false, 0, 1},
		"two that live":                              {[]uuid.UUID{a, b, a}, false, 3, 1},
		"two, and that is known":                     {[]uuid.UUID{a, b, a, b}, true, 3, 0},
		"an older release, by itself and with a new": {[]uuid.UUID{none, none, a, none, a}, false, 0, 0},
	} {
		s, ended := newStreams(), 0
		m := uuid.New()
		for i, instance := range c.come {
			two := s.come(m, instance, c.alarmed, func() { ended++ })
			if two != (c.two != 0 && i+1 >= c.two) {
				t.Errorf("%s: the %d. stream: two is %t", sentence, i+1, two)
			}
		}
		if ended != c.ended {
			t.Errorf("%s: %d streams ended, want %d", sentence, ended, c.ended)
		}
		if s.come(uuid.New(), a, false, func() {}) {
			t.Errorf("%s: another machine is told from it", sentence)
		}
	}
	s, m := newStreams(), uuid.New()
	for range 10 * maxBefore {
		s.come(m, uuid.New(), false, func() {})
	}
	if n := len(s.m[m].before); n != maxBefore {
		t.Errorf("%d instances are remembered", n)
	}
}
