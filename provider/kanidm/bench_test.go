package kanidm_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
)

// BenchmarkLookup is what the resolver answers a second: from memory, and where every
// question goes to a server that takes 50 ms, with one and with a hundred at a time.
func BenchmarkLookup(b *testing.B) {
	d := newRig(b)
	h := d.house()
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
