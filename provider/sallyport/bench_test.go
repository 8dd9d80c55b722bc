package sallyport_test

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// BenchmarkIDTokenFetch is one fetch over TLS and its verification.
func BenchmarkIDTokenFetch(b *testing.B) {
	r := newRealm(b)
	r.account("alice")
	p := r.machine()
	b.SetParallelism(8) // who waits for the disk leaves the processor to others
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Fetch(b.Context(), "alice"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkSteppedAuthentication is begin and one right password, over TLS, with
// its audit rows on disk. BenchmarkArgon2 is the part of it that is meant to cost.
func BenchmarkSteppedAuthentication(b *testing.B) {
	r := newRealm(b)
	const people = 16
	for i := range people {
		r.account(fmt.Sprintf("u%d", i))
	}
	p := r.machine()
	b.SetParallelism(8) // who waits for the disk leaves the processor to others
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if got := try(b, p, identity.Name(fmt.Sprintf("u%d", i%people)), testPassword); got.Outcome != provider.Allow {
				b.Error(got)
				return
			}
		}
	})
}

// BenchmarkArgon2 is the server's hash with its parameters, as many at once as
// there are processors.
func BenchmarkArgon2(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			argon2.IDKey([]byte(testPassword), make([]byte, 16), 2, 19*1024, 1, 32)
		}
	})
}
