package application_test

import (
	"testing"

	"github.com/sallyport-auth/sallyport/application/message"
)

// BenchmarkJob is one job at the server: opened, judged, done, written down and answered. The
// messages were made before.
func BenchmarkJob(b *testing.B) {
	r := newRig(b)
	i := r.announced()
	_ = i.alice()
	all := make([][]byte, b.N)
	for n := range all {
		all[n] = r.job(i, func(_, _ *crafted) {})
	}
	b.ResetTimer()
	for _, m := range all {
		if status := r.send(m); status != 200 {
			b.Fatal(status)
		}
	}
}

// BenchmarkOpenPGP is the bare library's part of one job: one message decrypted and verified, one
// verified, one signed and encrypted.
func BenchmarkOpenPGP(b *testing.B) {
	r := newRig(b)
	i := r.announced()
	_ = i.alice()
	m := r.job(i, func(_, _ *crafted) {})
	realm, err := r.keyOfTheRealm()
	r.Must(nil, err)
	self, person := i.self(), i.person()
	signed := r.signed(r.craft(person, message.Read), about("notes/one", 0))
	b.ResetTimer()
	for range b.N {
		got, err := message.Decrypt(m, realm)
		r.Must(nil, err)
		r.Must(nil, got.Verify(self.key, r.Now(), 0))
		inner, err := message.ReadSigned(signed)
		r.Must(nil, err)
		r.Must(nil, inner.Verify(person.key, r.Now(), 0))
		_, err = message.Seal(got.Claims, realm, &self.key, r.Now())
		r.Must(nil, err)
	}
}
