package sallyport_test

import (
	"context"
	"crypto/ed25519"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise hop-clock.
func TestWhoIsGrantedALoginHearsOfTheMachinesClock(t *testing.T) {
	r := newRealm(t)
	r.account("ada")
	r.do(r.admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{}))
	r.do(r.admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "all", Effect: "grant"}}))
	laptop := open(t, r.options("laptop"))
	session := try(t, laptop, "ada", testPassword).SignedSession
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	// ahead is what is said of web1's clock, in seconds.
	ahead := func() int64 {
		t.Helper()
		q, _, err := laptop.Ask(t.Context(), session, identity.Origin{}, report.AskArgs{ID: uuid.NewString(), Hops: []report.Hop{{Host: "web1", Port: 22, Account: "ada"}}})
		if err != nil {
			t.Fatal(err)
		}
		_, c, err := laptop.Certify(t.Context(), session, q.ID, key.Marshal())
		if err != nil || len(c.Hops) != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		if by := time.Since(c.ServerTime); by.Abs() > time.Minute {
			t.Errorf("the server says that it is %s", c.ServerTime)
		}
		return c.Hops[0].ClockAheadSeconds
	}
	about := func(want int64) {
		t.Helper()
		var got int64
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(400 * time.Millisecond) {
			if got = ahead(); got >= want-10 && got <= want+10 {
				return
			}
		}
		t.Errorf("web1's clock is said to be %d seconds ahead, want %d", got, want)
	}

	var off atomic.Int64
	off.Store(int64(-12 * time.Minute))
	o := r.options("web1")
	o.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	o.Timeouts.Silence = 10 * time.Second // so that it hears a word every 4 s
	web1 := open(t, o)
	_, at := r.listed(web1)
	if got := ahead(); got != 0 {
		t.Errorf("before it is there its clock is %d seconds ahead", got)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- web1.Watch(ctx, at, nil, func(provider.Event) error { return nil }) }()
	about(-12 * 60)
	off.Store(int64(7 * time.Minute))
	about(7 * 60)
	end()
	<-ended
	about(0)
}
