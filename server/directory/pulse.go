package directory

import (
	"sync"
	"time"
)

// A stream says at each heartbeat that the server is there, where nothing else is said.
// What heartbeats cost is most of what a connected machine costs, so a machine that waits
// for long is told less often.
const (
	heartbeat     = 4 * time.Second // for a machine that waits 10 s, or does not say how long
	slowHeartbeat = 14 * time.Second
	patient       = 30 * time.Second // who waits so long hears the slow one
	// phases of the streams: those of one are woken together, which costs half of a timer
	// for each, and not all at once.
	phases = 16
)

// pulse wakes the streams of one phase after the other.
type pulse struct {
	every time.Duration
	mu    sync.Mutex
	last  int
	waits [phases]chan struct{}
}

func newPulse(every time.Duration) *pulse {
	p := &pulse{every: every}
	for i := range p.waits {
		p.waits[i] = make(chan struct{})
	}
	return p
}

// pulses are those of a server.
type pulses struct{ usual, slow *pulse }

func newPulses() pulses { return pulses{usual: newPulse(heartbeat), slow: newPulse(slowHeartbeat)} }

// of is the one for a machine that waits so many seconds.
func (p pulses) of(seconds uint32) *pulse {
	if time.Duration(seconds)*time.Second >= patient {
		return p.slow
	}
	return p.usual
}

func (p pulses) run(ending <-chan struct{}) {
	go p.usual.run(ending)
	p.slow.run(ending)
}

// phase is for a new stream.
func (p *pulse) phase() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = (p.last + 1) % phases
	return p.last
}

// next is closed at the phase's next beat.
func (p *pulse) next(phase int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits[phase]
}

func (p *pulse) beat(phase int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.waits[phase])
	p.waits[phase] = make(chan struct{})
}

// run goes on until ending is closed.
func (p *pulse) run(ending <-chan struct{}) {
	tick := time.NewTicker(p.every / phases)
	defer tick.Stop()
	for phase := 0; ; phase = (phase + 1) % phases {
		select {
		case <-tick.C:
			p.beat(phase)
		case <-ending:
			return
		}
	}
}
