package realm

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// clocks is what connected machines say that the time is: for people whose ssh certificate
// a machine would take for one that is not good yet, or any more. It is in memory, of the
// machines that are connected to this server.
type clocks struct {
	mu     sync.Mutex
	m      map[uuid.UUID]machineClock
	stream uint64
}

type machineClock struct {
	ahead  time.Duration
	stream uint64
}

// ClockComes notes a machine's clock for a change stream, whose end is to be told to
// [Realm.ClockGoes]. A machine that says no time is of no known clock.
func (r *Realm) ClockComes(machine uuid.UUID, says time.Time) (stream uint64) {
	r.clocks.mu.Lock()
	defer r.clocks.mu.Unlock()
	if r.clocks.m == nil {
		r.clocks.m = make(map[uuid.UUID]machineClock)
	}
	r.clocks.stream++
	if says.IsZero() {
		delete(r.clocks.m, machine)
	} else {
		r.clocks.m[machine] = machineClock{says.Sub(r.Now()), r.clocks.stream}
	}
	return r.clocks.stream
}

// ClockSays notes that the clock of a connected machine has changed.
func (r *Realm) ClockSays(machine uuid.UUID, says time.Time) {
	r.clocks.mu.Lock()
	defer r.clocks.mu.Unlock()
	if c, known := r.clocks.m[machine]; known {
		c.ahead = says.Sub(r.Now())
		r.clocks.m[machine] = c
	}
}

// ClockGoes forgets what a stream told, unless a newer one has come.
func (r *Realm) ClockGoes(machine uuid.UUID, stream uint64) {
	r.clocks.mu.Lock()
	defer r.clocks.mu.Unlock()
	if r.clocks.m[machine].stream == stream {
		delete(r.clocks.m, machine)
	}
}

// ClockAhead is by how much a machine's clock is before this server's; negative: behind. It
// is 0 where nothing is known.
func (r *Realm) ClockAhead(machine uuid.UUID) time.Duration {
	r.clocks.mu.Lock()
	defer r.clocks.mu.Unlock()
	return r.clocks.m[machine].ahead
}
