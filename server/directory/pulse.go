package directory

import (
	"sync"
	"time"
)

const (
	// heartbeat is how often a stream says that the server is there. A machine takes ten
	// seconds of silence for a server that is gone.
	heartbeat = 4 * time.Second
	// phases of the streams: those of one are woken together, which costs half of a timer
	// for each, and not all at once.
	phases = 16
)

// pulse wakes the streams of one phase after the other.
type pulse struct {
	mu    sync.Mutex
	last  int
	waits [phases]chan struct{}
}

func newPulse() *pulse {
	p := &pulse{}
	for i := range p.waits {
		p.waits[i] = make(chan struct{})
	}
	return p
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
	tick := time.NewTicker(heartbeat / phases)
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
