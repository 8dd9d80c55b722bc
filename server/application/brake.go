package application

import (
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// How much is answered at a time, and of one address: who floods does not keep others out.
const (
	mostAtOnce    = 1024
	mostOfAddress = 4
	burst         = 60              // messages of an address at once,
	every         = time.Second / 5 // and then one each
	mostAddresses = 10000           // that are counted
)

// brake counts what is under way and what came lately, by address: of IPv6 by network.
type brake struct {
	mu   sync.Mutex
	all  int
	from map[identity.Origin]*tally
}

// tally is what is counted of an address.
type tally struct {
	now  int
	left float64 // messages that it may send at once
	seen time.Time
}

// enter takes a place for a message from there, if there is one. leave gives it back.
func (b *brake) enter(host string, now time.Time) (leave func(), ok bool) {
	from := identity.OriginOfHost(host)
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.from[from]
	if t == nil {
		b.forget(now)
		if len(b.from) >= mostAddresses {
			return nil, false
		}
		t = &tally{left: burst, seen: now}
		b.from[from] = t
	}
	if gone := now.Sub(t.seen); gone > 0 {
		t.left, t.seen = min(burst, t.left+float64(gone)/float64(every)), now
	}
	if b.all >= mostAtOnce || t.now >= mostOfAddress || t.left < 1 {
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

// forget forgets the addresses of which nothing is counted any more, once there are many.
func (b *brake) forget(now time.Time) {
	if len(b.from) < mostAddresses/2 {
		return
	}
	for from, t := range b.from {
		if t.now == 0 && now.Sub(t.seen) >= burst*every {
			delete(b.from, from)
		}
	}
}
