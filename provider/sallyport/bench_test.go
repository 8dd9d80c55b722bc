package sallyport_test

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
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

// BenchmarkSignInWithACard is begin and one right answer of a card, over TLS, with
// its audit rows on disk, one after the other. The card's own time is what a key in
// memory takes.
func BenchmarkSignInWithACard(b *testing.B) {
	a := holder(b, newRealm(b), false)
	for b.Loop() {
		begun := a.begin()
		kind, credential := byCard(a, begun.GetNonce())
		resp, err := a.auth.Step(b.Context(), &v1.StepRequest{Session: begun.GetSession(), Kind: string(kind), Credential: credential})
		if err != nil || resp.GetOutcome() != v1.Outcome_OUTCOME_ALLOW {
			b.Fatal(resp, err)
		}
	}
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
