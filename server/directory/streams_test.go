package directory

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
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

// TestInstancesAreToldApartOverAllServers is the same table in the machine's row.
// Promise fleet-machine-copies.
func TestInstancesAreToldApartOverAllServers(t *testing.T) {
	bench := servertest.New(t)
	const a, b = "a", "b"
	come := func(instance string) (two bool) {
		bench.Must(nil, bench.Store.Write(t.Context(), func(tx *store.Tx) (err error) {
			two, err = tx.Lives(bench.Box.UUID, instance)
			return err
		}))
		return two
	}
	for i, c := range []struct {
		come string
		two  bool
	}{{a, false}, {a, false}, {b, false}, {b, false}, {a, true}, {b, true}} {
		if two := come(c.come); two != c.two {
			t.Errorf("the %d. is %q: two is %t", i+1, c.come, two)
		}
	}
	bench.Must(nil, bench.Store.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Rejoin("box", []byte("again"), bench.Now().Add(time.Hour)); err != nil {
			return err
		}
		_, err := tx.Join([]byte("again"), bench.Box.Key, bench.Now())
		return err
	}))
	if come(b) || come(a) {
		t.Error("it has joined anew, and is told from those of before")
	}
	for n := range 100 {
		come(fmt.Sprint(n))
	}
	if come(a) {
		t.Error("all instances there ever were are remembered")
	}
}
