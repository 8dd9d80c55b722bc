package sallyport

import (
	"testing"
	"time"
)

// Promise hop-clock.
func TestAClockIsToldOfOnceItHasChanged(t *testing.T) {
	var c clock
	for i, step := range []struct {
		ahead time.Duration
		told  bool
	}{{time.Hour, false}, {time.Hour + 14*time.Second, false}, {time.Hour - 15*time.Second, true}, {time.Hour, true}, {time.Hour + time.Second, false}, {0, true}} {
		if told := c.changed(step.ahead); told != step.told {
			t.Errorf("%d: told %v of %s", i, told, step.ahead)
		}
	}
}
