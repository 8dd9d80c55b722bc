package pam //nolint:testpackage // places are counted without thousands of sockets

import (
	"fmt"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func fromHost(i int) identity.Origin {
	l := identity.Login{RemoteHost: fmt.Sprintf("192.0.2.%d", i)}
	return l.Origin()
}

func fromUser(uid uint32) identity.Origin {
	l := identity.Login{Caller: identity.Caller{Known: true, LoginUID: uid}}
	return l.Origin()
}

// crowdOf takes n places, each with an open prompt, and notes which are ended.
func crowdOf(t *testing.T, p *places, n int, o func(i int) identity.Origin) (all []*place, ended map[int]bool) {
	t.Helper()
	ended = map[int]bool{}
	for i := range n {
		pl := p.take(o(i), func() { ended[i] = true })
		if pl == nil || !pl.ask() {
			t.Fatalf("no place for number %d", i)
		}
		all = append(all, pl)
	}
	return all, ended
}

func small() *places {
	return newPlaces(capacity{origin: 4, class: [classes]int{hosts: 8, people: 8, seat: 4, root: 4}})
}

// Promise prompts-oldest-first.
func TestTheLongestPromptOfTheSameOriginGoesFirst(t *testing.T) {
	p := small()
	all, ended := crowdOf(t, p, 4, func(int) identity.Origin { return fromUser(1000) })
	if !all[0].answered() || !all[0].ask() { // it is the youngest now
		t.Fatal("a prompt was lost")
	}
	if p.take(fromUser(1000), func() {}) == nil || len(ended) != 1 || !ended[1] {
		t.Errorf("ended: %v, want number 1", ended)
	}
	if all[1].answered() || all[1].ask() {
		t.Error("who lost the place goes on")
	}
	if p.take(fromUser(1001), func() {}) == nil || len(ended) != 1 {
		t.Errorf("another origin waited for a place, or took one: %v", ended)
	}
}

// Promise prompts-oldest-first.
func TestWhoIsBeingDecidedLosesNoPlace(t *testing.T) {
	p := small()
	for range 4 {
		if p.take(fromUser(1000), func() { t.Error("ended while it was decided") }) == nil {
			t.Fatal("no place")
		}
	}
	if p.take(fromUser(1000), nil) != nil {
		t.Error("one origin has more than its share")
	}
}

// Promise prompts-oldest-first.
func TestAClassThatIsFullTakesFromWhoHoldsMost(t *testing.T) {
	p := small()
	_, ended := crowdOf(t, p, 8, func(i int) identity.Origin { return fromHost([]int{1, 2, 2, 2, 2, 3, 3, 4}[i]) })
	for i, want := range []int{1, 2} { // of host 2, then again of host 2 that has 3
		if p.take(fromHost(10+i), func() {}) == nil || !ended[want] || len(ended) != i+1 {
			t.Fatalf("newcomer %d ended %v, want number %d", i, ended, want)
		}
	}
	// Host 2 and host 3 have two: a third of host 3 may take neither's, but its own.
	if p.take(fromHost(3), func() {}) == nil || ended[0] || ended[7] {
		t.Errorf("one with fewer had to go: %v", ended)
	}
}

// Promise prompts-oldest-first.
func TestWhoHoldsMostTakesNothingFromWhoHoldsLess(t *testing.T) {
	p := small()
	for range 3 {
		if p.take(fromHost(1), func() { t.Error("ended while it was decided") }) == nil {
			t.Fatal("no place")
		}
	}
	_, ended := crowdOf(t, p, 5, func(i int) identity.Origin { return fromHost(2 + i) })
	if p.take(fromHost(1), nil) != nil || len(ended) != 0 {
		t.Errorf("others lost a place to whoever has three: %v", ended)
	}
}

// Promise prompts-by-origin.
func TestNoClassTakesThePlacesOfAnother(t *testing.T) {
	p := newPlaces(promptCapacity())
	_, _ = crowdOf(t, p, 5000, fromHost)
	_, others := crowdOf(t, p, 1000, func(i int) identity.Origin { return fromUser(uint32(1000 + i)) })
	_, _ = crowdOf(t, p, 5000, func(i int) identity.Origin { return fromHost(5000 + i) })
	_, ended := crowdOf(t, p, 64, func(int) identity.Origin { return identity.Seat() })
	for range 64 {
		l := identity.Login{Caller: identity.Caller{Known: true}, RemoteUser: "root"}
		if pl := p.take(l.Origin(), func() {}); pl == nil {
			t.Error("root has no place")
		}
	}
	if len(ended) != 0 || len(others) != 0 {
		t.Errorf("the seat lost %d places, and people %d", len(ended), len(others))
	}
	for c, used := range p.used {
		if used > p.capacity.class[c] {
			t.Errorf("class %d holds %d of %d", c, used, p.capacity.class[c])
		}
	}
}

func TestAPlaceThatIsLeftIsFreeAndLeavesNothing(t *testing.T) {
	p := small()
	all, _ := crowdOf(t, p, 20, func(i int) identity.Origin { return fromHost(i % 5) })
	for _, pl := range all {
		pl.leave()
		pl.leave()
	}
	if p.used != [classes]int{} || len(p.open[hosts]) != 0 {
		t.Errorf("left behind: %v, %d origins", p.used, len(p.open[hosts]))
	}
}
