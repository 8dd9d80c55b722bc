package fleet

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// listed are the names that a machine is told, and where it stands then.
func (r *rig) listed(m *sallyport.Provider) (names []string, at provider.Position) {
	r.t.Helper()
	at, err := m.List(r.t.Context(), func(rec provider.Record) error {
		names = append(names, string(rec.Token.Account.Name))
		return nil
	})
	r.must(nil, err)
	slices.Sort(names)
	return names, at
}

// TestAFailoverThatLostChangesIsNoticed: the primary dies, and the standby that takes its
// place has not heard the last change. Servers go on by themselves; a machine that knows of
// the change is told that it was lost, and what it is told from then on is of the new
// primary alone.
// Promise fleet-failover.
func TestAFailoverThatLostChangesIsNoticed(t *testing.T) {
	r := &rig{t: t}
	var err error
	r.database, err = postgres.Start(t.Context())
	r.must(nil, err)
	t.Cleanup(func() { _ = r.database.Stop() })
	address := r.database.Realm(t)
	standby, err := r.database.Standby(t.Context())
	r.must(nil, err)
	t.Cleanup(func() { _ = standby.Stop() })
	r.serve(r.database.Or(standby, address)) // both are in the address
	r.person("ada", "")
	m := r.machine("box", 0)
	r.must(nil, standby.Caught(t.Context(), r.database))
	r.must(nil, standby.Freeze(t.Context()))
	r.person("lost", "")
	names, at := r.listed(m)
	if !slices.Contains(names, "lost") {
		t.Fatal(names)
	}
	heard := make(chan provider.EventKind, 100)
	watching, stop := context.WithTimeout(t.Context(), within)
	defer stop()
	caughtUp, ended := make(chan struct{}), make(chan error, 1)
	enough := errors.New("enough")
	go func() {
		first := true
		position := at
		for {
			err := m.Watch(watching, position, nil, func(e provider.Event) error {
				if e.Kind == provider.CaughtUp && first {
					first = false
					close(caughtUp)
				}
				heard <- e.Kind
				if e.Kind == provider.Reset {
					return enough
				}
				return nil
			})
			if errors.Is(err, enough) || watching.Err() != nil {
				ended <- err
				return
			}
		}
	}()
	<-caughtUp
	r.must(nil, r.database.Stop())
	r.must(nil, standby.Promote(t.Context()))
	if err := <-ended; !errors.Is(err, enough) {
		t.Fatalf("the machine is not told that a change was lost: %v", err)
	}
	if names, _ := r.listed(m); slices.Contains(names, "lost") || !slices.Contains(names, "ada") {
		t.Errorf("after the failover the realm is %v", names)
	}
	// An account of another name has the number that the lost one had, or another: it is not
	// taken for it.
	r.person("bob", "")
	if reply, err := login(t.Context(), m, "bob", ""); err != nil || reply.Outcome != provider.Allow {
		t.Errorf("after the failover: %+v, %v", reply, err)
	}
	if _, err := m.Fetch(t.Context(), identity.Name("lost")); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("what was lost: %v", err)
	}
}
