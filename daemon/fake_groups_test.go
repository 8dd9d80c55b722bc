package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// onlyFetch is a server that can neither list nor watch nor change passwords.
type onlyFetch struct{ provider.Provider }

// groupServer is a server that can neither list nor watch, and finds groups.
type groupServer struct {
	onlyFetch
	server *server
	realm  string
	asked  atomic.Int64
	broken atomic.Value // an identity.Name: fetching it gets no answer
	// instead is an identity.Name: it is answered with, whoever is asked for.
	instead atomic.Value

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
			t := &identity.GroupToken{Realm: s.realm, Group: g, Revision: uint64(s.server.now().Unix())}
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
	if s.broken.Load() == name {
		return provider.GroupRecord{}, provider.ErrOffline
	}
	if other, is := s.instead.Load().(identity.Name); is {
		name = other
	}
	return s.find(ctx, func(g identity.Group) bool { return g.Name == name })
}

func (s *groupServer) FetchGID(ctx context.Context, gid uint32) (provider.GroupRecord, error) {
	return s.find(ctx, func(g identity.Group) bool { return g.GID == gid })
}

func (s *groupServer) VerifyGroup(signed []byte) (*identity.GroupToken, error) {
	return s.server.keyring.GroupToken(signed)
}
