package sshca_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// BenchmarkCertify is a certificate of a grant that is open: judged anew, written into the
// audit log and stored. A machine may have 300 in a minute, so the clock runs faster.
func BenchmarkCertify(b *testing.B) {
	c := newCertifying(b)
	var went atomic.Int64
	begin := c.Now()
	c.Now = func() time.Time { return begin.Add(time.Duration(went.Load())) }
	id := ""
	ask := func() {
		r, err := c.Requests.Ask(c.Call(), &v1.AskRequest{SessionToken: c.session, Id: uuid.NewString(), Kind: &v1.AskRequest_Ssh{Ssh: to("web1")}})
		c.Must(r, err)
		id = r.GetRequest().GetId()
	}
	ask()
	key := c.key.Marshal()
	for n := 1; b.Loop(); n++ {
		went.Add(int64(300 * time.Millisecond))
		if n%200 == 0 {
			c.Rows.Drain(c.Now()) // as a server does each half minute
		}
		if n%10000 == 0 { // a grant is open for an hour
			ask()
		}
		if _, err := c.authority.Certify(c.Call(), &v1.CertifyRequest{Id: id, SessionToken: c.session, PublicKey: key}); err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkSign is the signature of such a certificate alone.
func BenchmarkSign(b *testing.B) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"sallyport/" + uuid.Nil.String() + "/" + uuid.Nil.String()}}
		if err := c.SignCert(rand.Reader, signer); err != nil {
			b.Fatal(err)
		}
	}
}
