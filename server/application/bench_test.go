package application_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/application/client"
	"github.com/sallyport-auth/sallyport/application/message"
)

// direct is a network of no length, and without a brake.
type direct struct{ r *rig }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	b, status := d.r.service.Answer(req.Context(), read(req.Body))
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: body(b), Request: req}, nil
}

// BenchmarkJob is a job that an instance asks for, and its result: two questions and two answers.
func BenchmarkJob(b *testing.B) {
	r := newRig(b)
	i := r.announced()
	i.HTTP.Transport = direct{r}
	s := i.alice()
	_ = r.does(s, message.Create, text("notes/one", "first", 0))
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			job, err := s.Order(b.Context(), message.Read, about("notes/one", 0))
			if err == nil {
				_, err = s.Fetch(b.Context(), job)
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkGnuPG is what gpg takes for the same four operations on one message: to sign and
// encrypt it, and to decrypt it and verify the signature. A job has six signatures and four
// messages that are encrypted.
func BenchmarkGnuPG(b *testing.B) {
	r := newRig(b)
	g := r.gnupg()
	i := r.announced()
	g.run("", "--import", filepath.Join(i.Folder, client.RealmKey), filepath.Join(i.Folder, "instance.key"))
	me := i.self().Key
	text := strings.Repeat("x", 1000) // as a job's
	b.Run("Seal", func(b *testing.B) {
		for b.Loop() {
			g.run(text, "--local-user", me, "--recipient", me, "--compress-algo", "none", "--sign", "--encrypt")
		}
	})
	sealed := g.run(text, "--local-user", me, "--recipient", me, "--compress-algo", "none", "--sign", "--encrypt")
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			g.run(sealed, "--decrypt")
		}
	})
}

// BenchmarkMessage is the same by the library, in process.
func BenchmarkMessage(b *testing.B) {
	r := newRig(b)
	k := r.newKey()
	text := bytes.Repeat([]byte("x"), 1000)
	sealed, err := message.Seal(text, k, &k, r.Now())
	r.Must(nil, err)
	b.Run("Seal", func(b *testing.B) {
		for b.Loop() {
			_, _ = message.Seal(text, k, &k, r.Now())
		}
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			m, err := message.Decrypt(sealed, k)
			if err == nil {
				err = m.Verify(k, r.Now(), 0)
			}
			r.Must(nil, err)
		}
	})
}
