package request_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// lodged puts requests that wait into the database, of accounts and machines that nobody
// else uses.
func (r *rig) lodged(n int, change func(i int, q *store.Request)) {
	r.T.Helper()
	leads := store.RequestNeed{Name: "leads", Count: 1}
	r.Must(nil, r.Store.Write(r.T.Context(), func(tx *store.Tx) error {
		g, err := tx.GroupByName("leads")
		if err != nil {
			return err
		}
		leads.Group = g.UUID
		for i := range n {
			ask, err := proto.Marshal(&v1.AskRequest{Kind: hops("web1")})
			if err != nil {
				return err
			}
			q := store.Request{
				ID: uuid.New(), Kind: "ssh", Role: "login", State: store.RequestWaiting, Account: uuid.New(), Machine: uuid.New(),
				Asked: r.Now(), Changed: r.Now(), Until: r.Now().Add(time.Hour), Ask: ask, Detail: []byte("{}"), Subject: fmt.Sprintf("ssh %d", i),
				Needs: []store.RequestNeed{leads},
			}
			q.Parties = []uuid.UUID{q.Account}
			if change != nil {
				change(i, &q)
			}
			if err := tx.AddRequest(q); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestNobodyTakesMoreThanTheirShare: an account has 32 open requests, a machine 256, and all
// 10,000; who has none open may ask all the same.
// Promise request-limits.
func TestNobodyTakesMoreThanTheirShare(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	full := func(name, machine string) error {
		r.T.Helper()
		r.later(time.Minute) // another minute of rows
		_, err := r.Requests.Ask(r.calls[machine], &v1.AskRequest{Id: uuid.NewString(), SessionToken: r.Signed(r.session(name, machine)), Kind: hops("web1")})
		return err
	}
	alice := r.Account("alice").UUID
	r.lodged(31, func(_ int, q *store.Request) { q.Account, q.Machine = alice, r.machines["db1"].UUID })
	r.Must(nil, full("alice", "box"))
	r.refused(full("alice", "box"), connect.CodeResourceExhausted)
	r.Must(nil, full("bob", "box"))
	r.lodged(256-31, func(_ int, q *store.Request) { q.Machine = r.machines["db1"].UUID })
	r.refused(full("bob", "db1"), connect.CodeResourceExhausted)
	r.Must(nil, full("bob", "box"))
	r.lodged(10_000, nil)
	r.refused(full("bob", "box"), connect.CodeResourceExhausted)
	r.Must(nil, full("frank", "box"))
	r.refused(full("frank", "box"), connect.CodeResourceExhausted)
	r.later(time.Hour) // they are over, though nobody has written that down
	r.Must(nil, full("bob", "db1"))
}

// TestTenThousandOpenRequestsAreDecidedAndListed: and what the calls take is in the log.
// Promise request-limits.
func TestTenThousandOpenRequestsAreDecidedAndListed(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	r.lodged(10_000, nil)
	for range 3 {
		began := time.Now()
		v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
		asked := time.Since(began)
		began = time.Now()
		resp, err := r.Requests.ListRequests(r.Call(), &v1.ListRequestsRequest{SessionToken: r.there("bob")})
		listed := time.Since(began)
		r.Must(nil, err)
		if len(resp.GetOthers()) != 256 {
			t.Errorf("%d listed", len(resp.GetOthers()))
		}
		began = time.Now()
		r.is(r.approve("bob", v.GetId()), store.RequestGranted)
		t.Logf("with 10,000 open: ask %s, list %s, decide %s", asked, listed, time.Since(began))
		r.Must(r.Requests.Withdraw(r.Call(), &v1.WithdrawRequest{Id: v.GetId(), SessionToken: r.there("alice")}))
	}
	r.later(2 * time.Hour)
	for range 20 {
		r.Must(nil, r.Requests.Tidy(t.Context()))
	}
	if n := r.rows("request.expire"); n != 10_000 {
		t.Errorf("%d have expired", n)
	}
}

// TestAMachineSendsSoManyRequestsAMinute: more are refused, and the audit log stays short.
// Promise request-limits.
func TestAMachineSendsSoManyRequestsAMinute(t *testing.T) {
	r := newRig(t)
	for i := range 301 {
		_, err := r.tryAsk(&v1.AskRequest{SessionToken: r.there("alice"), Kind: hops("web1")})
		if code := connect.CodeOf(err); i < 300 && err != nil || i == 300 && code != connect.CodeResourceExhausted {
			t.Fatalf("%d: %v", i, err)
		}
	}
	_, err := r.Requests.Ask(r.calls["web1"], &v1.AskRequest{Id: uuid.NewString(), SessionToken: r.Signed(r.session("alice", "web1")), Kind: hops("db1")})
	r.Must(nil, err)
	if n := r.rows("request.ask"); n != 301 {
		t.Errorf("%d rows", n)
	}
}

// TestWhatAServerThatOnlyReadsSignedCountsForNothing: also where it is admitted.
// Promise request-person.
func TestWhatAServerThatOnlyReadsSignedCountsForNothing(t *testing.T) {
	r := newRig(t)
	r.rule("all", "grant")
	pub, key, err := ed25519.GenerateKey(nil)
	r.Must(nil, err)
	r.Must(nil, r.Store.Write(t.Context(), func(tx *store.Tx) error {
		return tx.AddReader(store.Reader{ID: uuid.New(), Key: pub, TLS: []byte{1}, CodesKey: []byte{1}, Admitted: r.Now()})
	}))
	signer, err := identity.NewSigner(key)
	r.Must(nil, err)
	s := r.session("alice", "box")
	signed, err := signer.SignSessionToken(&s)
	r.Must(nil, err)
	_, err = r.tryAsk(&v1.AskRequest{SessionToken: signed, Kind: hops("web1")})
	r.refused(err, connect.CodeFailedPrecondition)
	r.Must(r.tryAsk(&v1.AskRequest{SessionToken: r.Signed(s), Kind: hops("web1")}))
}

// TestWhoWaitsHearsOfTheDecision: and at once what it does not know. That it is told before
// its wait is over it does not show.
func TestWhoWaitsHearsOfTheDecision(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
	heard := make(chan *v1.RequestView)
	go func() {
		resp, err := r.Requests.GetRequest(r.Call(), &v1.GetRequestRequest{Id: v.GetId(), State: "waiting", WaitSeconds: 25})
		if err != nil {
			t.Error(err)
		}
		heard <- resp.GetRequest()
	}()
	r.approve("bob", v.GetId())
	r.is(<-heard, store.RequestGranted)
	resp, err := r.Requests.GetRequest(r.Call(), &v1.GetRequestRequest{Id: v.GetId(), State: "waiting", WaitSeconds: 25})
	r.Must(nil, err)
	r.is(resp.GetRequest(), store.RequestGranted)
	resp, err = r.Requests.GetRequest(r.Call(), &v1.GetRequestRequest{Id: v.GetId(), State: "granted", WaitSeconds: 1})
	r.Must(nil, err)
	r.is(resp.GetRequest(), store.RequestGranted)
}

// Promise request-wait.
func TestARequestWaitsForAsLongAsTheRealmSays(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	waits := func(want time.Duration) {
		t.Helper()
		v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
		if life := v.GetUntil().AsTime().Sub(r.Now()); life != want {
			t.Errorf("it waits %s, want %s", life, want)
		}
		r.later(want - time.Second)
		r.is(r.get(v.GetId()), store.RequestWaiting)
		r.later(time.Second)
		r.is(r.get(v.GetId()), store.RequestExpired)
	}
	waits(time.Hour)
	for _, wait := range []uint32{300, 86400} {
		r.Must(r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{RequestWaitSeconds: &wait}))
		waits(time.Duration(wait) * time.Second)
	}
	for _, wait := range []uint32{0, 299, 86401, 1 << 31} {
		if _, err := r.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{RequestWaitSeconds: &wait}); err == nil {
			t.Errorf("%d seconds are accepted", wait)
		}
	}
}
