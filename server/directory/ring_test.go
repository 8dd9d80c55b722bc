package directory

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/server/store"
)

// TestTheRingMissesNothing: from every position it gives the newest change of each account
// after that, or says that it cannot.
// Promise stream-shared.
func TestTheRingMissesNothing(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	accounts := make([]uuid.UUID, 5)
	for i := range accounts {
		accounts[i] = uuid.New()
	}
	for round := range 200 {
		random := rand.New(rand.NewPCG(1, uint64(round)))
		r, h := newRing(), uuid.New()
		r.maxKept, r.maxBytes = 1+random.IntN(6), 200+random.IntN(2000)
		r.begin(h, 10)
		newest, at := map[uuid.UUID]uint64{}, uint64(10)
		served := 0
		for range 30 {
			at += 1 + random.Uint64N(3)
			a := accounts[random.IntN(len(accounts))]
			newest[a] = at
			r.add(&kept{Change: store.Change{Revision: at, Account: a}, signed: [forms][]byte{formNow: make([]byte, random.IntN(300))}, made: now})
			if len(r.kept) > r.maxKept || r.bytes > r.maxBytes {
				t.Fatal("it keeps more than it may")
			}
			for p := uint64(8); p <= at+2; p++ {
				some, upTo, ok := r.after(h, p, at, formNow, 100, now)
				if !ok {
					continue
				}
				served++
				got := map[uuid.UUID]uint64{}
				for _, k := range some {
					got[k.Account] = k.Revision
				}
				for a, rev := range newest {
					if rev > p && got[a] != rev {
						t.Fatalf("from %d it leaves out the change %d", p, rev)
					}
				}
				if p > at || upTo != at {
					t.Fatalf("from %d it goes to %d of %d", p, upTo, at)
				}
			}
		}
		if _, _, ok := r.after(uuid.New(), at, at, formNow, 100, now); ok {
			t.Fatal("it goes on in another history")
		}
		if some, _, ok := r.after(h, r.from, at, formNow, 100, now.Add(maxAge+1)); ok && len(some) > 0 {
			t.Fatal("it sends a token that is too old")
		}
		if some, upTo, ok := r.after(h, r.from, at-1, formNow, 100, now); ok && r.from < at && (upTo >= at || len(some) > 0 && some[len(some)-1].Revision >= at) {
			t.Fatal("it goes further than it may")
		}
		if served == 0 {
			t.Fatal("it serves nobody")
		}
	}
}
