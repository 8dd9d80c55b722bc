package realm

import (
	"cmp"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// How much is answered at a time, and of one origin: who floods does not keep others out.
const (
	mostAtOnce   = 1024
	mostOfOrigin = 4
	burst        = 60              // messages of an origin at once,
	every        = time.Second / 5 // and then one each
	mostOrigins  = 10000           // that are counted
)

// Brake counts what is under way and what came lately, by origin. The zero value has counted
// nothing.
type Brake struct {
	// Burst and Every are used in place of the numbers above; 0: those.
	Burst float64
	Every time.Duration

	mu   sync.Mutex
	all  int
	from map[identity.Origin]*tally
}

// tally is what is counted of an origin.
type tally struct {
	now  int
	left float64 // messages that it may send at once
	seen time.Time
}

// Enter takes a place for a message from there, if there is one. leave gives it back.
func (b *Brake) Enter(from identity.Origin, now time.Time) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	burst, every := b.numbers()
	t := b.from[from]
	if t == nil {
		b.forget(now)
		if len(b.from) >= mostOrigins {
			return nil, false
		}
		t = &tally{left: burst, seen: now}
		if b.from == nil {
			b.from = make(map[identity.Origin]*tally)
		}
		b.from[from] = t
	}
	if gone := now.Sub(t.seen); gone > 0 {
		t.left, t.seen = min(burst, t.left+float64(gone)/float64(every)), now
	}
	if b.all >= mostAtOnce || t.now >= mostOfOrigin || t.left < 1 {
		return nil, false
	}
	b.all++
	t.now++
	t.left--
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all--
		t.now--
	}, true
}

// numbers are how many messages of an origin are answered at once, and how soon one more.
func (b *Brake) numbers() (most float64, more time.Duration) {
	return cmp.Or(b.Burst, float64(burst)), cmp.Or(b.Every, every)
}

// forget forgets the origins of which nothing is counted any more, once there are many.
func (b *Brake) forget(now time.Time) {
	if len(b.from) < mostOrigins/2 {
		return
	}
	burst, every := b.numbers()
	for from, t := range b.from {
		if t.now == 0 && now.Sub(t.seen) >= time.Duration(burst*float64(every)) {
			delete(b.from, from)
		}
	}
}
