package directory

import (
	"math"
	"testing"
	"time"
)

// TestAStreamIsHeardOfTwiceInTheMachinesPatience, whatever a machine says of it, and one
// that says nothing waits ten seconds.
func TestAStreamIsHeardOfTwiceInTheMachinesPatience(t *testing.T) {
	p := newPulses()
	for seconds, waits := range map[uint32]int{0: 10, 1: 10, 10: 10, 29: 29, 30: 30, math.MaxUint32: 30} {
		if every := p.of(seconds).every; 2*every > time.Duration(waits)*time.Second {
			t.Errorf("a machine that says %d hears something every %s", seconds, every)
		}
	}
	if p.of(30) != p.slow || p.of(29) != p.usual {
		t.Error("a patient machine costs as much as another, or the reverse")
	}
}
