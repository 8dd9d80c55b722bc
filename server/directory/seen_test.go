package directory

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestSightingsOfManyMachinesAreStoredTogether: each with its own place and version, also where
// they fill several statements and transactions; a machine that is gone is passed over.
// Promise fleet-seen.
func TestSightingsOfManyMachinesAreStoredTogether(t *testing.T) {
	b := servertest.New(t)
	const many = 2*sawAtOnce + 7 // two full transactions and a rest; each of several statements
	at := b.Now().Add(-time.Hour)
	name := strconv.Itoa
	want := map[uuid.UUID]store.Sighting{}
	b.Must(nil, b.Store.Write(t.Context(), func(tx *store.Tx) error {
		for n := range many {
			m, err := tx.Invite(identity.Name("m"+name(n)), []byte(name(n)), b.Now().Add(time.Hour))
			if err != nil {
				return err
			}
			want[m.UUID] = store.Sighting{Machine: m.UUID, Host: "192.0.2." + name(n%250), Version: "1." + name(n), At: at.Add(time.Duration(n) * time.Second)}
		}
		return nil
	}))
	ending := make(chan struct{})
	t.Cleanup(func() { close(ending) })
	s := newSightings(b.Realm, ending)
	for _, one := range want {
		s.note(one)
	}
	s.note(store.Sighting{Machine: uuid.New(), Host: "192.0.2.1", Version: "1", At: at}) // it was removed
	// One that was seen twice is stored as it was last.
	for id, one := range want {
		one.Version = "2"
		want[id] = one
		s.note(one)
		break
	}
	stored := func() (wrong int) {
		b.Must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
			all, err := tx.Machines()
			for _, m := range all {
				if w, is := want[m.UUID]; is && (m.SeenHost != w.Host || m.Version != w.Version || m.Seen.Unix() != w.At.Unix()) {
					wrong++
				}
			}
			return err
		}))
		return wrong
	}
	ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	for stored() > 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("of %d machines %d are not stored as they were seen", many, stored())
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		t.Errorf("%d sightings are kept", len(s.waiting))
	}
}
