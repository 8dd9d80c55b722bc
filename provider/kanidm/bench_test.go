package kanidm_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	double "github.com/sallyport-auth/sallyport/test/kanidm"
)

// BenchmarkLookup is what the resolver answers a second: from memory, and where every
// question goes to a server that takes 50 ms, with one and with a hundred at a time.
func BenchmarkLookup(b *testing.B) {
	d := newRig(b)
	h := d.testMachine()
	if _, err := h.AccountByName(b.Context(), "bob"); err != nil {
		b.Fatal(err)
	}
	b.Run("Warm", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.AccountByName(b.Context(), "bob"); err != nil {
				b.Fatal(err)
			}
		}
	})
	if _, err := h.GroupByName(b.Context(), "staff"); err != nil {
		b.Fatal(err)
	}
	b.Run("WarmGroup", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.GroupByName(b.Context(), "staff"); err != nil {
				b.Fatal(err)
			}
		}
	})
	d.Before = func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(50 * time.Millisecond)
		return false
	}
	var n atomic.Int64
	cold := func(b *testing.B) {
		name := fmt.Sprintf("nobody%d", n.Add(1))
		if _, err := h.AccountByName(b.Context(), name); !errors.Is(err, identity.ErrNotFound) {
			b.Error(err)
		}
	}
	b.Run("Cold", func(b *testing.B) {
		for b.Loop() {
			cold(b)
		}
	})
	b.Run("ColdGroup", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.GroupByName(b.Context(), fmt.Sprintf("nothing%d", n.Add(1))); !errors.Is(err, identity.ErrNotFound) {
				b.Error(err)
			}
		}
	})
	b.Run("ColdHundred", func(b *testing.B) {
		b.SetParallelism(50) // times two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				cold(b)
			}
		})
	})
}

// BenchmarkStepUp is a proof anew, with password and code, at a server that takes 50 ms
// for each request: in the session of the sign-in, and by a whole one.
func BenchmarkStepUp(b *testing.B) {
	d := newRig(b)
	d.With(two)
	p := d.machine(stepped)
	proves := func(b *testing.B, how func(testing.TB, *kanidm.Provider, identity.Name, ...given) (provider.Reply, error)) {
		r, err := how(b, p, "bob", right, code)
		allowed(b, r, err)
	}
	proves(b, login)
	d.Before = func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(50 * time.Millisecond)
		return false
	}
	b.Run("Again", func(b *testing.B) {
		for b.Loop() {
			proves(b, stepUp)
		}
	})
	b.Run("Whole", func(b *testing.B) {
		for b.Loop() {
			proves(b, login)
		}
	})
}

// BenchmarkSomebodyNew is the first lookup of a person at a server that takes 50 ms for
// each request: alone, and behind another such server that is asked whether the name,
// and those of the groups, are its own.
func BenchmarkSomebodyNew(b *testing.B) {
	const realm, lowest = "lab.example.com", 1 << 30
	slow := func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(50 * time.Millisecond)
		return false
	}
	second := func(b *testing.B, realms *daemon.Realms) (*rig, *testMachine) {
		d := &rig{Double: double.StartAs(realm), t: b, realm: realm}
		b.Cleanup(d.Close)
		d.Before = slow
		d.among = func(o *daemon.Options) {
			o.Realms, o.Policy.IDs = realms, []identity.IDRange{{Min: lowest, Max: lowest + 1<<20}}
		}
		return d, d.testMachine()
	}
	run := func(b *testing.B, d *rig, h *testMachine, groups int) {
		var list []map[string]any
		for i := range groups {
			name := fmt.Sprintf("group%d", i)
			list = append(list, map[string]any{
				"name": name, "spn": name + "@" + realm, "uuid": uuid.NewSHA1(uuid.Nil, []byte(name)).String(), "gidnumber": lowest + i,
			})
		}
		for n := 0; b.Loop(); n++ {
			p := &person{Name: fmt.Sprintf("p%d", n), UID: uint32(lowest + 1000 + n), UUID: uuid.New(), Groups: list}
			d.Add(p)
			if _, err := h.AccountByName(b.Context(), p.Name); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("Alone", func(b *testing.B) {
		d, h := second(b, daemon.NewRealms())
		run(b, d, h, 1)
	})
	for _, groups := range []int{1, 20} {
		b.Run(fmt.Sprintf("BehindAnotherGroups%d", groups), func(b *testing.B) {
			realms, first := daemon.NewRealms(), newRig(b)
			first.Before = slow
			first.among = func(o *daemon.Options) { o.Realms = realms }
			first.testMachine()
			d, h := second(b, realms)
			run(b, d, h, groups)
		})
	}
}
