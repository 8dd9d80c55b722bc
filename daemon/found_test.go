package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// groupServer is a server that can neither list nor watch, and finds groups.
type groupServer struct {
	onlyFetch
	server *server
	asked  atomic.Int64

	lock   sync.Mutex
	groups map[uuid.UUID]identity.Group
	hold   chan struct{} // when set, a question waits for it
}

func (s *groupServer) change(change func(map[uuid.UUID]identity.Group)) {
	s.lock.Lock()
	defer s.lock.Unlock()
	change(s.groups)
}

func (s *groupServer) set(list ...identity.Group) {
	s.change(func(m map[uuid.UUID]identity.Group) {
		for _, g := range list {
			m[g.UUID] = g
		}
	})
}

func (s *groupServer) remove(id uuid.UUID) {
	s.change(func(m map[uuid.UUID]identity.Group) { delete(m, id) })
}

func (s *groupServer) find(ctx context.Context, pick func(identity.Group) bool) (provider.GroupRecord, error) {
	s.asked.Add(1)
	s.lock.Lock()
	hold := s.hold
	s.lock.Unlock()
	if hold != nil {
		<-hold
	}
	if err := s.server.answer(ctx); err != nil {
		return provider.GroupRecord{}, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, g := range s.groups {
		if pick(g) {
			t := &identity.GroupToken{Realm: realm, Group: g, Revision: uint64(s.server.now().Unix())}
			signed, err := s.server.signer.SignGroupToken(t)
			if err != nil && !errors.Is(err, identity.ErrToken) {
				return provider.GroupRecord{}, err
			}
			return provider.GroupRecord{Signed: signed, Token: t}, nil
		}
	}
	return provider.GroupRecord{}, provider.ErrNotFound
}

func (s *groupServer) FetchGroup(ctx context.Context, name identity.Name) (provider.GroupRecord, error) {
	return s.find(ctx, func(g identity.Group) bool { return g.Name == name })
}

func (s *groupServer) FetchGID(ctx context.Context, gid uint32) (provider.GroupRecord, error) {
	return s.find(ctx, func(g identity.Group) bool { return g.GID == gid })
}

func (s *groupServer) VerifyGroup(signed []byte) (*identity.GroupToken, error) {
	return s.server.keyring.GroupToken(signed)
}

// newGroups is a house whose server has the group staff, and nobody in it.
func newGroups(t testing.TB, tweak ...func(*house)) *house {
	t.Helper()
	return newHouse(t, append([]func(*house){func(h *house) {
		h.groups = &groupServer{onlyFetch: onlyFetch{h.srv}, groups: map[uuid.UUID]identity.Group{staff.UUID: staff}}
	}}, tweak...)...)
}

var tools = identity.Group{UUID: uuid.MustParse("22222222-2222-4222-8222-222222222222"), Name: "tools", GID: 1900000002}

// expectGroup asks by name and by gid, and wants these members.
func (h *house) expectGroup(want identity.Group, members ...identity.Name) {
	h.t.Helper()
	for how, ask := range map[string]func() (identity.GroupEntry, error){
		"by name": func() (identity.GroupEntry, error) { return h.d.GroupByName(bg, string(want.Name)) },
		"by gid":  func() (identity.GroupEntry, error) { return h.d.GroupByGID(bg, want.GID) },
	} {
		g, err := ask()
		if err != nil || g.UUID != want.UUID || g.Name != want.Name || g.GID != want.GID || !slices.Equal(g.Members, members) {
			h.t.Errorf("%s: %+v, %v; want %+v with %v", how, g, err, want, members)
		}
	}
}

// expectNoGroup wants this error by name and by gid.
func (h *house) expectNoGroup(want error, g identity.Group) {
	h.t.Helper()
	if got, err := h.d.GroupByName(bg, string(g.Name)); !errors.Is(err, want) {
		h.t.Errorf("%s: %+v, %v; want %v", g.Name, got, err, want)
	}
	if got, err := h.d.GroupByGID(bg, g.GID); !errors.Is(err, want) {
		h.t.Errorf("%d: %+v, %v; want %v", g.GID, got, err, want)
	}
}

// listed are the names of the groups in the list and in the view, which are the same.
func (h *house) listed() string {
	h.t.Helper()
	var list, view []string
	must(h.t, h.d.Groups(bg, func(g identity.GroupEntry) error { list = append(list, string(g.Name)); return nil }))
	v, err := h.d.View(bg)
	must(h.t, err)
	last := uint32(0)
	for g := range v.Groups() {
		if g.GID <= last {
			h.t.Error("the view is not in order")
		}
		last = g.GID
		view = append(view, string(g.Name))
	}
	slices.Sort(list)
	slices.Sort(view)
	if !slices.Equal(list, view) {
		h.t.Errorf("listed %v, in the view %v", list, view)
	}
	return strings.Join(list, " ")
}

func TestAGroupThatNobodyIsInIsFoundListedAndKept(t *testing.T) {
	h := newGroups(t)
	for _, by := range []struct {
		how string
		ask func() error
	}{
		{"name", func() error { _, err := h.d.GroupByName(bg, "staff"); return err }},
		{"gid", func() error { _, err := h.d.GroupByGID(bg, staff.GID); return err }},
		{"alias", func() error { _, err := h.d.GroupByName(bg, "STAFF@example.org"); return err }},
	} {
		must(t, h.d.Handle(bg, identity.Peer{}, report.VerbCacheClear, nil, nil))
		if h.listed() != "" {
			t.Fatalf("listed before it was asked for: %s", h.listed())
		}
		before := h.d.Revisions().Content
		if err := by.ask(); err != nil {
			t.Fatal(by.how, err)
		}
		if h.listed() != "staff" || h.d.Revisions().Content == before {
			t.Errorf("by %s: listed %q", by.how, h.listed())
		}
	}
	asked := h.groups.asked.Load()
	h.expectGroup(staff)
	if n := h.groups.asked.Load() - asked; n != 0 {
		t.Errorf("%d questions for what is known", n)
	}
	if s := h.status(); s.Cache.Groups != 1 || slices.Contains(s.Providers[0].Missing, "find groups") {
		t.Errorf("status: %+v, %v", s.Cache, s.Providers[0].Missing)
	}
	h.srv.be(down)
	h.restart()
	h.expectGroup(staff)
	if h.listed() != "staff" {
		t.Error("not listed after a restart")
	}
	h.expectNoGroup(identity.ErrUnavailable, tools)
	h.srv.be(up)
}

