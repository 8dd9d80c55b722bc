package daemon

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// missing has the realm's provider lack a file until it is put back.
type missing struct{ back atomic.Bool }

func (m *missing) front(h *testMachine) {
	h.front = provider.Defer(h.srv, func() (provider.Provider, error) {
		if !m.back.Load() {
			return nil, errors.New("read the machine's key: /k: no such file or directory")
		}
		return h.srv, nil
	}, nil)
}

func unready(list []report.Finding) bool {
	return slices.ContainsFunc(list, func(f report.Finding) bool {
		return f.Cause == string(trouble.RealmUnready) && f.Check == "server" && strings.Contains(f.Detail, "/k: no such file")
	})
}

// Promise 19.
func TestOneRealmThatCannotBeOpenedEndsNoOther(t *testing.T) {
	w := newTwoRealms(t)
	for name := range map[string]bool{"ada": true, "carol": true} {
		if code := w.login(name, name+"'s"); code != identity.Granted {
			t.Fatal(name, code)
		}
	}
	for _, broken := range []*testMachine{w.first, w.second} {
		var m missing
		again := NewRealms()
		for _, h := range []*testMachine{w.first, w.second} {
			h.front, h.realms = nil, again
			if h == broken {
				m.front(h)
			}
			h.restart()
			h.run()
		}
		w.Realms = again
		whole, name := w.second, "ada"
		if broken == w.second {
			whole, name = w.first, "carol"
		}
		whole.wait("online", func() bool { return whole.d.Link().Now() == resolver.Online })
		for name := range map[string]bool{"ada": true, "carol": true} {
			if code := w.login(name, name+"'s"); code != identity.Granted {
				t.Errorf("%s, with a realm that cannot be opened: %v", name, code)
			}
			if code := w.login(name, "wrong"); code != identity.Denied {
				t.Errorf("%s, with a wrong password: %v", name, code)
			}
			if a, err := w.AccountByName(bg, name); err != nil || string(a.Name) != name {
				t.Errorf("%s is known: %v", name, err)
			}
		}
		if s := w.status(bg); !unready(s.Findings) {
			t.Errorf("status does not say it: %+v", s.Findings)
		}
		m.back.Store(true)
		broken.wait("it is opened", func() bool { return broken.d.Link().Now() == resolver.Online })
		if s := w.status(bg); unready(s.Findings) {
			t.Errorf("status says it still: %+v", s.Findings)
		}
		if code := w.login(name, name+"'s"); code != identity.Granted {
			t.Errorf("%s, once it was opened: %v", name, code)
		}
	}
}

// blind is a stand-in of which nothing is remembered.
type blind struct{ provider.Provider }

func (blind) Verify([]byte) (*identity.IDToken, error) { return nil, identity.ErrToken }

type blindLister struct {
	blind
	provider.Lister
	provider.Watcher
}

type blindFinder struct {
	blind
	provider.GroupFinder
}

func (blindFinder) VerifyGroup([]byte) (*identity.GroupToken, error) { return nil, identity.ErrToken }

// Promise 19.
func TestARealmThatCannotBeOpenedDisownsNothing(t *testing.T) {
	odd := identity.Group{UUID: uuid.New(), Name: "odd", GID: 1900000999} // that nobody known here is in
	never := func() (provider.Provider, error) { return nil, errors.New("no key") }
	for sentence, finds := range map[string]bool{"one that lists": false, "one that finds groups": true} {
		t.Run(sentence, func(t *testing.T) {
			h := newTestMachine(t, func(h *testMachine) {
				h.srv.set(t, token("alice", 1900000100, stuff), nil)
				if finds {
					h.groups = &groupServer{groups: map[uuid.UUID]identity.Group{odd.UUID: odd}}
				}
			})
			h.run()
			h.expect(identity.Granted, "alice", "secret")
			group := string(stuff.Name)
			if finds {
				group = string(odd.Name)
			}
			_, err := h.d.GroupByName(bg, group)
			must(t, err)
			groups := h.groups
			h.stop()
			h.front, h.groups = provider.Defer(blindLister{blind{h.srv}, h.srv, h.srv}, never, nil), nil
			if finds {
				h.front = provider.Defer(blindFinder{blind{onlyFetch{h.srv}}, groups}, never, nil)
			}
			h.start()
			h.run()
			_, err = h.d.AccountByName(bg, "alice")
			if !errors.Is(err, identity.ErrUnavailable) {
				t.Error("who cannot be verified is said to be nobody:", err)
			}
			if !finds {
				var u *provider.UnreadyError
				if err := h.d.List(bg, provider.SourceOf(h.front).Lister); !errors.As(err, &u) {
					t.Error("a list of what is not open:", err)
				}
			}
			h.stop()
			h.front, h.groups = nil, groups
			h.srv.be(down)
			h.start()
			h.run()
			if _, err := h.d.AccountByName(bg, "alice"); err != nil {
				t.Error("an account was forgotten:", err)
			}
			if _, err := h.d.GroupByName(bg, group); err != nil {
				t.Error("a group was forgotten:", err)
			}
		})
	}
}
