package fleet

import (
	"context"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// followed is a machine that follows changes as the daemon does: it comes again when its
// stream ends.
type followed struct {
	caughtUp, alarmed chan struct{}
	changed           chan struct{} // an account
	stop              func()
}

func (r *rig) follows(m *sallyport.Provider) *followed {
	r.t.Helper()
	ctx, end := context.WithTimeout(r.t.Context(), within)
	f := &followed{caughtUp: make(chan struct{}, 100), alarmed: make(chan struct{}, 1), changed: make(chan struct{}, 100)}
	over := make(chan struct{})
	f.stop = func() { end(); <-over }
	r.t.Cleanup(f.stop)
	go func() {
		defer close(over)
		at, err := m.List(ctx, func(provider.Record) error { return nil })
		for err == nil && ctx.Err() == nil {
			_ = m.Watch(ctx, at, nil, func(e provider.Event) error {
				if e.Duplicated {
					select {
					case f.alarmed <- struct{}{}:
					default:
					}
				}
				switch e.Kind {
				case provider.CaughtUp:
					f.caughtUp <- struct{}{}
				case provider.Changed:
					f.changed <- struct{}{}
				default:
				}
				return nil
			})
		}
	}()
	return f
}

func (r *rig) hears(what string, c <-chan struct{}) {
	r.t.Helper()
	ctx, end := context.WithTimeout(r.t.Context(), within)
	defer end()
	select {
	case <-c:
	case <-ctx.Done():
		r.t.Fatal(what)
	}
}

// duplicated tells whether the realm's list says so of a machine.
func (r *rig) duplicated(name string) bool {
	r.t.Helper()
	list, err := r.admin.ListMachines(r.t.Context(), &v1.ListRequest{})
	r.must(nil, err)
	for _, m := range list.GetMachines() {
		if m.GetName() == name {
			return m.GetDuplicated() != nil
		}
	}
	r.t.Fatalf("no machine %s", name)
	return false
}

// TestACopyOfAMachineAtAnotherServerRaisesTheAlarm: on both of them.
// Promise fleet-machine-copies.
func TestACopyOfAMachineAtAnotherServerRaisesTheAlarm(t *testing.T) {
	r := newRig(t)
	o := r.joined("box", 0)
	o.Others = nil // each knows its own server alone
	original := r.follows(r.boot(o))
	r.hears("the machine does not catch up", original.caughtUp)
	o.URL = r.servers[1].URL
	thief := r.follows(r.boot(o))
	r.hears("the original hears no alarm", original.alarmed)
	r.hears("the copy hears no alarm", thief.alarmed)
	if !r.duplicated("box") {
		t.Error("the realm's list does not say so")
	}
}

// TestAMachineThatGoesToAnotherServerIsNoCopy: nor is one whose daemon starts anew, at
// whichever server.
// Promise fleet-machine-copies.
func TestAMachineThatGoesToAnotherServerIsNoCopy(t *testing.T) {
	r := newRig(t)
	o := r.joined("box", 0)
	m := r.follows(r.boot(o))
	r.hears("it does not catch up", m.caughtUp)
	r.must(nil, r.servers[0].Kill())
	r.hears("it does not go on at the other server", m.caughtUp)
	m.stop()
	m = r.follows(r.boot(o)) // started anew, while its preferred server is away
	r.hears("it does not catch up after a start", m.caughtUp)
	r.must(nil, r.servers[0].Start(t.Context()))
	m.stop()
	m = r.follows(r.boot(o)) // and at the preferred one again
	r.hears("it does not catch up at the first server", m.caughtUp)
	r.must(nil, r.servers[0].Kill())
	r.hears("it does not go on at the other server", m.caughtUp)
	m.stop()
	select {
	case <-m.alarmed:
		t.Error("an alarm")
	default:
	}
	if r.duplicated("box") {
		t.Error("it is called a copy")
	}
}
