package pam

import (
	"container/list"
	"sync"

	"github.com/sallyport-auth/sallyport/identity"
)

// class is a part of the origins that shares nothing with the others: however many
// places one class holds, the others keep theirs.
type class int

const (
	hosts  class = iota // other hosts, each with an address or a name
	people              // local users, whatever set-user-ID program speaks for them
	seat                // the console and the greeter
	root                // root's own, and hosts that say nothing about their caller
	classes
)

func classOf(o identity.Origin) class {
	switch {
	case o.Remote():
		return hosts
	case o.AtSeat():
		return seat
	case o.Root(), o == identity.Origin{}:
		return root
	default:
		return people
	}
}

// capacity says how many conversations may be open: of each origin, and of each class.
type capacity struct {
	origin int
	class  [classes]int
}

// What the two kinds of conversation may hold; the package's table gives the reasons.
func promptCapacity() capacity {
	return capacity{origin: 64, class: [classes]int{hosts: 2048, people: 1024, seat: 64, root: 128}}
}

func errandCapacity() capacity {
	return capacity{origin: 256, class: [classes]int{hosts: 1024, people: 512, seat: 256, root: 512}}
}

// places counts open conversations by where they come from.
type places struct {
	capacity capacity

	mu   sync.Mutex
	now  uint64 // counts prompts, so that the longest open one is known
	open [classes]map[identity.Origin]*holder
	used [classes]int
}

// holder is one origin that has places.
type holder struct {
	places int
	asking list.List // of *place, the longest open prompt first
}

// place is one conversation's. It is given back by leave, or taken away by a newcomer
// while its prompt waits for a person.
type place struct {
	all    *places
	origin identity.Origin
	end    func() // ends the conversation; called without the lock

	// The rest belongs to all.mu.
	lost  bool
	since uint64
	queue *list.Element // in its holder's asking
}

func newPlaces(c capacity) *places {
	p := &places{capacity: c}
	for i := range p.open {
		p.open[i] = map[identity.Origin]*holder{}
	}
	return p
}

// take finds a place for a conversation. Where there is none left, one that waits for a
// person has to go; nil when none may. See the package's table.
func (p *places) take(o identity.Origin, end func()) *place {
	p.mu.Lock()
	c := classOf(o)
	own := p.open[c][o]
	if own == nil {
		own = &holder{}
		p.open[c][o] = own
	}
	var victim *place
	switch {
	case own.places >= p.capacity.origin:
		victim = own.longest()
	case p.used[c] >= p.capacity.class[c]:
		victim = p.idlest(c, own)
	default:
		own.places++
		p.used[c]++
		defer p.mu.Unlock()
		return &place{all: p, origin: o, end: end}
	}
	if victim == nil {
		p.drop(o, own)
		p.mu.Unlock()
		return nil
	}
	victim.lost = true
	p.free(victim)
	p.open[c][o] = own // it may have gone with its last place
	own.places++
	p.used[c]++
	p.mu.Unlock()
	victim.end()
	return &place{all: p, origin: o, end: end}
}

// idlest is the longest open prompt of the origin that holds most, never of one that
// holds less than own.
func (p *places) idlest(c class, own *holder) *place {
	var most *holder
	for _, h := range p.open[c] {
		v := h.longest()
		if v == nil || h.places < own.places {
			continue
		}
		if most == nil || h.places > most.places || h.places == most.places && v.since < most.longest().since {
			most = h
		}
	}
	if most == nil {
		return nil
	}
	return most.longest()
}

func (h *holder) longest() *place {
	e := h.asking.Front()
	if e == nil {
		return nil
	}
	return e.Value.(*place) //nolint:forcetypeassert // it holds nothing else
}

// free gives a place back. The lock is held.
func (p *places) free(pl *place) {
	c := classOf(pl.origin)
	h := p.open[c][pl.origin]
	if pl.queue != nil {
		h.asking.Remove(pl.queue)
		pl.queue = nil
	}
	h.places--
	p.used[c]--
	p.drop(pl.origin, h)
}

func (p *places) drop(o identity.Origin, h *holder) {
	if h.places == 0 {
		delete(p.open[classOf(o)], o)
	}
}

// ask says that a prompt is out: from now on the place may be taken away. It is false
// when it has been.
func (pl *place) ask() bool {
	p := pl.all
	p.mu.Lock()
	defer p.mu.Unlock()
	if pl.lost {
		return false
	}
	p.now++
	pl.since = p.now
	pl.queue = p.open[classOf(pl.origin)][pl.origin].asking.PushBack(pl)
	return true
}

// answered says that the prompt is over. It is false when the place was taken away
// meanwhile.
func (pl *place) answered() bool {
	p := pl.all
	p.mu.Lock()
	defer p.mu.Unlock()
	if pl.lost {
		return false
	}
	p.open[classOf(pl.origin)][pl.origin].asking.Remove(pl.queue)
	pl.queue = nil
	return true
}

// leave gives the place back.
func (pl *place) leave() {
	p := pl.all
	p.mu.Lock()
	defer p.mu.Unlock()
	if !pl.lost {
		pl.lost = true
		p.free(pl)
	}
}
