package sallyport_test

import (
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

// TestAServerThatOnlyReadsIsAskedLast, also where the configuration names it first; and it is
// asked once no other answers.
// Promise reading-last.
func TestAServerThatOnlyReadsIsAskedLast(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	m := open(t, p.o)
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 1, URLs: []string{p.second.URL()}, ReadOnly: []string{p.first.URL()}})
	p.asks(m)
	if want := []string{p.second.URL(), p.first.URL()}; !slices.Equal(addresses(m), want) {
		t.Fatalf("it knows %v, ignored: %q", addresses(m), m.ServersIgnored())
	}
	if again := open(t, p.o); !slices.Equal(addresses(again), addresses(m)) {
		t.Errorf("after a start it knows %v", addresses(again))
	}
	p.second.Cut()
	r, err := m.Fetch(within(t), "alice")
	p.do(r, err)
	for _, s := range m.Servers() {
		if s.URL == p.second.URL() && s.State == "up" {
			t.Errorf("the full server was not asked: %+v", s)
		}
	}
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 2, URLs: []string{p.second.URL(), p.first.URL()}})
	p.asks(m)
	if want := []string{p.first.URL(), p.second.URL()}; !slices.Equal(addresses(m), want) {
		t.Errorf("a server that does more than read now: %v", addresses(m))
	}
}
