package directory

import (
	"math/rand/v2"
	"testing"
)

// The table is held to a map, with hashes so poor that everything collides.
// Promise names-index.
func TestATableFindsWhatIsInItAndNothingElse(t *testing.T) {
	for sentence, hash := range map[string]func(uint32) uint64{
		"all hashes the same":       func(uint32) uint64 { return 7 },
		"hashes that crowd":         func(n uint32) uint64 { return uint64(n % 13) },
		"hashes that wrap":          func(n uint32) uint64 { return ^uint64(0) - uint64(n%5) },
		"hashes that are scattered": func(n uint32) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 },
	} {
		t.Run(sentence, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var tab table
			in := map[uint32]bool{}
			for range 20000 {
				n := r.Uint32N(200)
				if in[n] {
					tab.drop(n, hash)
				} else {
					tab.add(n, hash)
				}
				in[n] = !in[n]
				m := r.Uint32N(200)
				got, ok := tab.find(hash(m), func(o uint32) bool { return o == m })
				if ok != in[m] || (ok && got != m) {
					t.Fatalf("%d: found %d, %v; it is in: %v", m, got, ok, in[m])
				}
			}
		})
	}
}
