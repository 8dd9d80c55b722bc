package sallyport_test

import (
	"crypto/ed25519"
	"math"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// signer is one with the realm's signing key.
func (r *liveRealm) signer() *identity.Signer {
	r.t.Helper()
	s, err := identity.NewSigner(servertest.Steal(r.t, r.dir).Signing)
	r.do(s, err)
	return s
}

// publishes has the server send a list from now on.
func (r *liveRealm) publishes(by *identity.Signer, l identity.ServerList) []byte {
	r.t.Helper()
	signed, err := by.SignServerList(&l)
	r.do(nil, err)
	r.servers.Store(&signed)
	return signed
}

// asks has the machine begin a stream, which asks for the list.
func (r *liveRealm) asks(m *sallyport.Provider) {
	r.t.Helper()
	w := watch(r.t.(*testing.T), m, provider.Position{})
	w.until("the present", func(e provider.Event) bool { return e.Kind == provider.CaughtUp || e.Kind == provider.Reset })
	w.end()
	_ = w.ends()
}

func addresses(m *sallyport.Provider) (urls []string) {
	for _, s := range m.Servers() {
		urls = append(urls, s.URL)
	}
	return urls
}

// Promise servers-list.
func TestAServerThatOnlyTheRealmNamesIsUsed(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	p.o.Others = nil // the configuration names the first alone
	nonsense := "https://no-such-host.invalid:8443"
	m := open(t, p.o)
	if m.Servers() != nil {
		t.Errorf("it knows %v", addresses(m))
	}
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 1, URLs: []string{nonsense, p.second.URL(), p.first.URL()}})
	p.asks(m)
	want := []string{p.first.URL(), nonsense, p.second.URL()}
	if got := addresses(m); strings.Join(got, " ") != strings.Join(want, " ") || m.ServersIgnored() != "" {
		t.Fatalf("it knows %v, ignored: %q", got, m.ServersIgnored())
	}
	for i, s := range m.Servers() {
		if s.FromRealm != (i > 0) {
			t.Errorf("%+v", s)
		}
	}
	p.first.Cut()
	if _, err := m.Fetch(within(t), "alice"); err != nil {
		t.Errorf("the first is gone: %v", err)
	}
	// A daemon that starts while the first is gone knows the others.
	again := open(t, p.o)
	if _, err := again.Fetch(within(t), "alice"); err != nil {
		t.Errorf("after a new start: %v", err)
	}
	// A newer list takes its place, also one that names nobody.
	p.first.Restore()
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 2})
	p.asks(again)
	if again.Servers() != nil {
		t.Errorf("withdrawn, and it knows %v", addresses(again))
	}
}

// Promise servers-list-forged.
func TestAListOfServersThatIsNotTheRealmsNewestIsIgnored(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	p.o.Others = nil
	evil := providertest.NewFront(t, p.url)
	m := open(t, p.o)
	good := []string{p.second.URL()}
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 5, URLs: good})
	p.asks(m)
	_, other, err := ed25519.GenerateKey(nil)
	p.do(nil, err)
	forger, err := identity.NewSigner(other)
	p.do(nil, err)
	for _, c := range []struct {
		sentence, why string
		by            *identity.Signer
		list          identity.ServerList
	}{
		{"an older version", "version 4, and 5 was seen", p.signer(), identity.ServerList{Realm: "example.org", Version: 4, URLs: []string{evil.URL()}}},
		{"the same version, and other servers", "another list of version 5", p.signer(), identity.ServerList{Realm: "example.org", Version: 5, URLs: []string{evil.URL()}}},
		{"by another key", "does not verify", forger, identity.ServerList{Realm: "example.org", Version: 6, URLs: []string{evil.URL()}}},
		{"of another realm", "does not verify", p.signer(), identity.ServerList{Realm: "example.net", Version: 6, URLs: []string{evil.URL()}}},
	} {
		p.publishes(c.by, c.list)
		for _, one := range []*sallyport.Provider{m, open(t, p.o)} { // and one that starts anew
			p.asks(one)
			if got := addresses(one); len(got) != 2 || got[1] != good[0] {
				t.Errorf("%s: it knows %v", c.sentence, got)
			}
			if why := one.ServersIgnored(); !strings.Contains(why, c.why) {
				t.Errorf("%s: status says %q", c.sentence, why)
			}
			if _, err := one.Fetch(within(t), "alice"); err != nil {
				t.Errorf("%s keeps people out: %v", c.sentence, err)
			}
		}
	}
	// Cut in its middle it is no list at all.
	half := p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 6, URLs: []string{evil.URL()}})
	half = half[:len(half)/2]
	p.servers.Store(&half)
	p.asks(m)
	if got := addresses(m); len(got) != 2 || m.ServersIgnored() == "" {
		t.Errorf("half of one: %v", got)
	}
	// What is right again ends the complaint.
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 6, URLs: good})
	p.asks(m)
	if m.ServersIgnored() != "" {
		t.Errorf("it still says %q", m.ServersIgnored())
	}
}

// What is remembered is as good as forgotten where it makes no sense; the configured
// servers are used.
// Promise servers-list-forged.
func TestAListThatMakesNoSenseLeavesConfiguredServers(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	p.o.Others = nil
	p.do(nil, p.o.Memory.Remember(t.Context(), "sallyport servers", []byte("nonsense")))
	m := open(t, p.o)
	if _, err := m.Fetch(within(t), "alice"); err != nil || m.Servers() != nil {
		t.Errorf("%v, %v", addresses(m), err)
	}
	p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 1, URLs: []string{p.second.URL()}})
	p.asks(m)
	if len(m.Servers()) != 2 {
		t.Error("it takes no list any more")
	}
}

// A thief of a signing key could set a version that nobody can exceed: it counts for as long
// as the key does.
// Promise servers-list-forged.
func TestAListCountsForAsLongAsItsKey(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	p.o.Others = nil
	m := open(t, p.o)
	stolen := p.signer()
	p.publishes(stolen, identity.ServerList{Realm: "example.org", Version: math.MaxUint64, URLs: []string{"https://no-such-host.invalid:1"}})
	p.asks(m)
	if got := addresses(m); len(got) != 2 || m.ServersIgnored() != "" {
		t.Fatalf("%v, %q", got, m.ServersIgnored())
	}
	p.do(p.admin.RotateKeys(t.Context(), &v1.RotateKeysRequest{Emergency: true}))
	right := p.publishes(p.signer(), identity.ServerList{Realm: "example.org", Version: 1, URLs: []string{p.second.URL()}})
	for _, one := range []*sallyport.Provider{m, open(t, p.o)} {
		p.servers.Store(&right)
		p.listed(one) // the key list that takes a key away has the accounts listed anew
		p.asks(one)
		if got := addresses(one); len(got) != 2 || got[1] != p.second.URL() || one.ServersIgnored() != "" {
			t.Errorf("%v, %q", got, one.ServersIgnored())
		}
		p.publishes(stolen, identity.ServerList{Realm: "example.org", Version: math.MaxUint64, URLs: []string{"https://no-such-host.invalid:1"}})
		p.asks(one)
		if got := addresses(one); len(got) != 2 || got[1] != p.second.URL() || one.ServersIgnored() == "" {
			t.Errorf("by the stolen key: %v, %q", got, one.ServersIgnored())
		}
	}
}

// Promise servers-login.
func TestAnImpostorAmongTheServersIsAnAlarmAndKeepsNobodyOut(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	other := newRealm(t)
	p.o.URL, p.o.Others = other.url, []string{p.second.URL()}
	m := open(t, p.o)
	if _, err := m.Fetch(within(t), "alice"); err != nil {
		t.Error(err)
	}
	if r := try(t, m, "alice", testPassword); r.Outcome != provider.Allow {
		t.Errorf("%+v", r)
	}
	if s := m.Servers(); s[0].State != "down" || !s[0].Untrusted || s[1].Untrusted {
		t.Errorf("%+v", s)
	}
}
