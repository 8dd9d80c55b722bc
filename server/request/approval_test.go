package request_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestNobodyApprovesWhatIsAboutThem: neither the asker nor the account that is logged in as,
// also where they are in the group.
// Promise request-approval.
func TestNobodyApprovesWhatIsAboutThem(t *testing.T) {
	r := newRig(t)
	r.Must(r.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "leads", Member: "deploy"}))
	r.rule("one", "approve", by("leads", 1), func(v *v1.RuleView) { v.Accounts = []string{"self", "deploy"} })
	kind := hops("bastion", "web1")
	kind.Ssh.Hops[0].Account = "deploy"
	v := r.is(r.ask("bob", kind), store.RequestWaiting)
	for _, name := range []string{"bob", "deploy", "frank", "alice"} {
		if _, err := r.decide(name, v.GetId(), true); err == nil {
			t.Errorf("%s approves it", name)
		}
		if _, err := r.decide(name, v.GetId(), false); err == nil {
			t.Errorf("%s denies it", name)
		}
	}
	r.is(r.get(v.GetId()), store.RequestWaiting)
	for _, name := range []string{"bob", "deploy"} {
		resp, err := r.Requests.ListRequests(r.Call(), &v1.ListRequestsRequest{SessionToken: r.there(name)})
		if r.Must(nil, err); len(resp.GetOthers()) != 0 {
			t.Errorf("%s may decide it, by the list", name)
		}
	}
	r.is(r.approve("erin", v.GetId()), store.RequestGranted)
}

// TestEachAccountCountsOnce: whatever it sends, and for each of two groups that it is in.
// Promise request-approval.
func TestEachAccountCountsOnce(t *testing.T) {
	r := newRig(t)
	r.group("dbas", "bob")
	r.rule("bastions", "approve", by("leads", 2), func(v *v1.RuleView) { v.Machines = []string{"bastion"} })
	r.rule("rest", "approve", by("dbas", 1))
	v := r.is(r.ask("alice", hops("bastion", "web1")), store.RequestWaiting)
	s := r.session("bob", "box")
	s.Purpose = identity.PurposeOf(uuid.MustParse(v.GetId()), true)
	same := r.Signed(s)
	for range 3 { // the same message, and others of the same account
		resp, err := r.Requests.Decide(r.Call(), &v1.DecideRequest{Id: v.GetId(), Approve: true, SessionToken: same})
		r.Must(nil, err)
		if r.is(resp.GetRequest(), store.RequestWaiting); len(resp.GetRequest().GetDecisions()) != 1 {
			t.Error(resp.GetRequest().GetDecisions())
		}
		r.is(r.approve("bob", v.GetId()), store.RequestWaiting)
	}
	r.is(r.approve("carol", v.GetId()), store.RequestGranted)
}

// TestOneWhoDeniesIsEnough: with a reason, and also who approved before.
// Promise request-approval.
func TestOneWhoDeniesIsEnough(t *testing.T) {
	r := newRig(t)
	r.rule("two", "approve", by("leads", 2))
	v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
	s := r.session("bob", "box")
	s.Purpose = identity.PurposeOf(uuid.MustParse(v.GetId()), false)
	_, err := r.Requests.Decide(r.Call(), &v1.DecideRequest{Id: v.GetId(), Reason: " \t", SessionToken: r.Signed(s)})
	r.refused(err, connect.CodeInvalidArgument)
	r.approve("bob", v.GetId())
	d, err := r.decide("bob", v.GetId(), false)
	r.Must(nil, err)
	if r.is(d, store.RequestDenied); d.GetWhy() != "bob denied it: seen" || len(d.GetDecisions()) != 1 {
		t.Error(d)
	}
	for _, name := range []string{"carol", "erin"} {
		if _, err := r.decide(name, v.GetId(), true); connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Error(err)
		}
	}
	r.is(r.get(v.GetId()), store.RequestDenied)
}

// TestAnApprovalCountsWhileItsAccountMay: in the group and in good standing, when it is
// granted and at each use.
// Promise request-approval.
func TestAnApprovalCountsWhileItsAccountMay(t *testing.T) {
	r := newRig(t)
	r.rule("two", "approve", by("leads", 2))
	leave := func(name string) {
		r.Must(r.Admin.RemoveMember(t.Context(), &v1.MemberRequest{Group: "leads", Member: name}))
	}
	v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
	r.approve("bob", v.GetId())
	leave("bob")
	r.is(r.approve("carol", v.GetId()), store.RequestWaiting)
	r.is(r.approve("erin", v.GetId()), store.RequestGranted)
	if _, err := r.use("alice", v.GetId()); err != nil {
		t.Fatal(err)
	}
	r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "carol", Disabled: true}))
	_, err := r.use("alice", v.GetId())
	r.refused(err, connect.CodeFailedPrecondition)
	r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "carol"}))
	if _, err := r.use("alice", v.GetId()); err != nil {
		t.Fatal(err)
	}
	r.Must(r.Admin.RemoveAccount(t.Context(), servertest.Named("carol")))
	_, err = r.use("alice", v.GetId())
	r.refused(err, connect.CodeFailedPrecondition)
	if w := r.ask("alice", hops("web1")); w.GetId() == v.GetId() {
		t.Error("a grant that is short of an approval answers")
	}
}

// TestRulesOfThatMomentCount: those that changed while a request waited, and since it was
// granted.
// Promise request-anew.
func TestRulesOfThatMomentCount(t *testing.T) {
	r := newRig(t)
	r.group("dbas", "frank")
	r.rule("one", "approve", by("leads", 1))
	ask := func() string { return r.is(r.ask("alice", hops("web1")), store.RequestWaiting).GetId() }
	refused, more, asked, renamed := ask(), ask(), ask(), ask()
	r.Must(r.Admin.RemoveRule(t.Context(), servertest.Named("one")))
	r.is(r.approve("bob", refused), store.RequestDenied)
	r.rule("other", "approve", by("dbas", 1))
	r.is(r.approve("bob", more), store.RequestWaiting)
	granted := more
	r.is(r.approve("frank", granted), store.RequestGranted)
	r.Must(r.Admin.RemoveRule(t.Context(), servertest.Named("other")))
	r.rule("strong", "approve", by("leads", 1), func(v *v1.RuleView) { v.Kinds = []string{"totp"} })
	r.is(r.approve("bob", asked), store.RequestAsked)
	r.Must(r.Admin.RemoveRule(t.Context(), servertest.Named("strong")))
	_, err := r.use("alice", granted)
	r.refused(err, connect.CodeFailedPrecondition)
	r.is(r.get(granted), store.RequestGranted)
	r.rule("all", "grant")
	if _, err := r.use("alice", granted); err != nil {
		t.Error(err)
	}
	r.rule("again", "approve", by("leads", 1))
	r.Must(r.Admin.MoveRule(t.Context(), &v1.MoveRuleRequest{Name: "again", Before: "all"}))
	// The name that it was asked for becomes another machine's.
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "db1", HostNames: &v1.Hosts{Hosts: []string{"db.example.org"}}}))
	moved := r.is(r.ask("alice", hops("db.example.org")), store.RequestWaiting).GetId()
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "db1", HostNames: &v1.Hosts{}}))
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "bastion", HostNames: &v1.Hosts{Hosts: []string{"db.example.org"}}}))
	r.is(r.approve("bob", moved), store.RequestDenied)
	r.Must(r.Admin.RemoveMachine(t.Context(), servertest.Named("web1")))
	r.is(r.approve("bob", renamed), store.RequestDenied)
	_, err = r.use("alice", granted)
	r.refused(err, connect.CodeFailedPrecondition)
}

// TestTwoApproversAtOnceAreBothRight: at two servers of the realm, where the database is one
// for several.
// Promise request-race.
func TestTwoApproversAtOnceAreBothRight(t *testing.T) {
	r := newRig(t)
	servers := []*servertest.Bench{r.Bench, r.Bench}
	if servertest.Postgres() != nil {
		servers[1] = r.Another()
	}
	r.rule("two", "approve", by("leads", 2))
	for range 8 {
		v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
		var both sync.WaitGroup
		for i, name := range []string{"bob", "carol", "erin"} {
			s := r.session(name, "box")
			s.Purpose = identity.PurposeOf(uuid.MustParse(v.GetId()), true)
			token := r.Signed(s)
			both.Go(func() {
				_, err := servers[i%2].Requests.Decide(r.Call(), &v1.DecideRequest{Id: v.GetId(), Approve: true, SessionToken: token})
				// The third may come when it is granted.
				if err != nil && connect.CodeOf(err) != connect.CodeFailedPrecondition {
					t.Error(err)
				}
			})
		}
		both.Wait()
		got := r.is(r.get(v.GetId()), store.RequestGranted)
		if n := len(got.GetDecisions()); n != 2 {
			t.Errorf("%d decisions", n)
		}
		r.Must(r.Requests.Withdraw(r.Call(), &v1.WithdrawRequest{Id: v.GetId(), SessionToken: r.there("alice")}))
	}
	if n := r.rows("request.grant"); n != 8 {
		t.Errorf("granted %d times", n)
	}
}

// TestAGrantEndsForAll: by the asker, by one who may decide it, and by an administrator; it
// is in the list of ended ones for a day, whose version grows. One whose time is over is
// not.
// Promise request-ended.
func TestAGrantEndsForAll(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	ended := func() (e store.EndedGrants) {
		r.Must(nil, r.Store.Read(t.Context(), func(tx *store.Tx) (err error) {
			e, err = tx.EndedGrants(r.Now())
			return err
		}))
		return e
	}
	var ids []string
	for range 4 {
		v := r.ask("alice", hops("web1"))
		r.is(r.approve("bob", v.GetId()), store.RequestGranted)
		if _, err := r.use("alice", v.GetId()); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.GetId())
		if len(ids) < 4 {
			before := ended().Version
			switch len(ids) {
			case 1:
				r.Must(r.Requests.Withdraw(r.calls["db1"], &v1.WithdrawRequest{Id: v.GetId(), SessionToken: r.Signed(r.session("alice", "db1"))}))
			case 2:
				r.Must(r.Requests.Withdraw(r.Call(), &v1.WithdrawRequest{Id: v.GetId(), SessionToken: r.there("bob")}))
			case 3:
				w, err := r.Admin.EndRequest(t.Context(), &v1.EndRequestRequest{Id: v.GetId(), Reason: "an incident"})
				if r.Must(nil, err); w.GetWhy() != "An administrator ended it: an incident" {
					t.Error(w.GetWhy())
				}
			}
			if e := ended(); e.Version <= before || len(e.IDs) != len(ids) {
				t.Errorf("%+v after %d, version %d", e, len(ids), before)
			}
			r.is(r.get(v.GetId()), store.RequestEnded)
			_, err := r.use("alice", v.GetId())
			r.refused(err, connect.CodeFailedPrecondition)
		}
	}
	r.later(time.Hour)
	r.is(r.get(ids[3]), store.RequestEnded)
	r.Must(nil, r.Requests.Tidy(t.Context()))
	if e := ended(); len(e.IDs) != 3 {
		t.Errorf("to a machine that was away for an hour: %+v", e)
	}
	r.later(24 * time.Hour)
	if e := ended(); len(e.IDs) != 0 {
		t.Errorf("a day later: %+v", e)
	}
	r.is(r.get(ids[3]), store.RequestEnded)
	r.later(90*24*time.Hour + time.Second)
	r.Must(nil, r.Requests.Tidy(t.Context()))
	_, err := r.Requests.GetRequest(r.Call(), &v1.GetRequestRequest{Id: ids[3]})
	if r.refused(err, connect.CodeNotFound); r.rows("request.use") != 4 {
		t.Error("the audit log forgot")
	}
}

// TestWhatAUseMakesIsMadeWithIt: where f fails, nothing was used.
func TestWhatAUseMakesIsMadeWithIt(t *testing.T) {
	r := newRig(t)
	r.rule("all", "grant")
	v := r.ask("alice", hops("web1"))
	fault := connect.NewError(connect.CodeUnavailable, errors.New("no key"))
	_, err := r.Requests.Use(r.Call(), r.Box, v.GetId(), r.there("alice"), func(*store.Tx, store.Request, *identity.SessionToken, time.Duration) error { return fault })
	r.refused(err, connect.CodeUnavailable)
	r.is(r.get(v.GetId()), store.RequestGranted)
	r.later(58 * time.Minute)
	if life, err := r.use("alice", v.GetId()); err != nil || life != 2*time.Minute {
		t.Error(life, err) // no longer than the grant
	}
	_, err = r.Requests.Use(r.calls["web1"], r.machines["web1"], v.GetId(), r.Signed(r.session("alice", "web1")), func(*store.Tx, store.Request, *identity.SessionToken, time.Duration) error { return nil })
	r.refused(err, connect.CodeNotFound)
	_, err = r.use("bob", v.GetId())
	r.refused(err, connect.CodeNotFound)
	r.later(2 * time.Minute)
	_, err = r.use("alice", v.GetId())
	r.refused(err, connect.CodeFailedPrecondition)
}
