package directory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	// sawEvery is how often it is stored that a machine is still there.
	sawEvery = 5 * time.Minute
	// sawGather is how long sightings are gathered for one transaction, sawAtOnce how many
	// of them one holds the writers up for, and sawTimeout what one may take.
	sawGather  = time.Second
	sawAtOnce  = 1000
	sawTimeout = 10 * time.Second
)

// sightings gathers which machines were there. What is gathered when the server ends is
// lost; a machine that comes back is noted again.
type sightings struct {
	*realm.Realm
	ending <-chan struct{}

	mu      sync.Mutex
	waiting map[uuid.UUID]store.Sighting
}

func newSightings(r *realm.Realm, ending <-chan struct{}) *sightings {
	return &sightings{Realm: r, ending: ending, waiting: make(map[uuid.UUID]store.Sighting)}
}

func (s *sightings) note(one store.Sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[one.Machine] = one
	if len(s.waiting) == 1 {
		go s.gather()
	}
}

// gather stores what has come within a while.
func (s *sightings) gather() {
	select {
	case <-time.After(sawGather):
	case <-s.ending:
		return
	}
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.waiting))
	clear(s.waiting)
	s.mu.Unlock()
	for some := range slices.Chunk(all, sawAtOnce) {
		if err := s.store(some); err != nil {
			s.Log.Warn("it is not stored when machines were last there; it is tried again in some minutes", "machines", len(some), "error", err)
		}
	}
}

func (s *sightings) store(some []store.Sighting) error {
	ctx, end := context.WithTimeout(context.Background(), sawTimeout)
	defer end()
	return s.Store.Write(ctx, func(tx *store.Tx) error { return tx.SawAll(some) })
}

// saw notes where the machine was seen, where that is news.
func (w *watcher) saw(ctx context.Context) {
	now, host := w.Now(), realm.CallerOf(ctx).Host
	m := w.machine
	if w.Reads() != nil { // a full server notes where machines are
		w.noted = now
		return
	}
	if m.SeenHost == host && m.Version == w.version && now.Sub(m.Seen) < sawEvery && !m.Seen.After(now) {
		w.noted = m.Seen
		return
	}
	w.noted = now
	w.sightings.note(store.Sighting{Machine: m.UUID, Host: host, Version: w.version, At: now})
}

// duplicate stores that two live under the machine's name.
func (w *watcher) duplicate(ctx context.Context) error {
	host, m := realm.CallerOf(ctx).Host, w.machine
	if w.Reads() != nil {
		w.Log.ErrorContext(ctx, "ALARM: two machines use one identity; one of them is a copy. A full server has to be told: this one only reads", "machine", string(m.Name), "host", host)
		return nil
	}
	// The other one's stream says it as well.
	return w.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Saw(m.UUID, host, w.version, w.Now()); err != nil {
			return err
		}
		if news, err := tx.Duplicated(m.UUID, w.Now()); err != nil || !news {
			return err
		}
		w.Log.ErrorContext(ctx, "ALARM: two machines use one identity; one of them is a copy", "machine", string(m.Name), "host", host, "host_before", m.SeenHost)
		return tx.Record(store.Entry{
			Time: w.Now(), Actor: "machine " + string(m.Name), Action: "machine.duplicate", Subject: string(m.Name),
			Detail: "from " + host + ", before from " + m.SeenHost,
		})
	})
}
