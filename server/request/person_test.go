package request_test

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestOnlyATokenOfThatPersonHereCounts: each field of it changed in turn is refused, for each
// call that takes one.
// Promise request-person.
func TestOnlyATokenOfThatPersonHereCounts(t *testing.T) {
	r := newRig(t)
	r.rule("all", "grant")
	v := r.is(r.ask("alice", hops("web1")), store.RequestGranted)
	good := r.session("alice", "box")
	changed := map[string]func(*identity.SessionToken){
		"another machine":  func(s *identity.SessionToken) { s.Machine = r.machines["web1"].UUID },
		"no machine":       func(s *identity.SessionToken) { s.Machine = uuid.Nil },
		"nobody":           func(s *identity.SessionToken) { s.Account = uuid.New() },
		"no account":       func(s *identity.SessionToken) { s.Account = uuid.Nil },
		"another realm":    func(s *identity.SessionToken) { s.Realm = "example.net" },
		"nothing proved":   func(s *identity.SessionToken) { s.Methods = nil },
		"without an id":    func(s *identity.SessionToken) { s.ID = uuid.Nil },
		"from the future":  func(s *identity.SessionToken) { s.AuthenticatedAt = r.Now().Add(time.Minute).Unix() },
		"expired":          func(s *identity.SessionToken) { s.ExpiresAt = r.Now().Add(-time.Minute).Unix() },
		"disabled account": func(s *identity.SessionToken) { s.Account = r.Account("dora").UUID },
		"for a decision":   func(s *identity.SessionToken) { s.Purpose = identity.PurposeOf(uuid.MustParse(v.GetId()), true) },
	}
	tokens := map[string][]byte{"nothing": nil, "noise": []byte("noise"), "cut": r.Signed(good)[:20]}
	for what, change := range changed {
		s := good
		change(&s)
		tokens[what] = r.Signed(s)
	}
	for what, token := range tokens {
		calls := map[string]func() error{
			"ask": func() error {
				_, err := r.tryAsk(&v1.AskRequest{SessionToken: token, Kind: hops("web1")})
				return err
			},
			"prove": func() error {
				_, err := r.Requests.Prove(r.Call(), &v1.ProveRequest{Id: v.GetId(), SessionToken: token})
				return err
			},
			"withdraw": func() error {
				_, err := r.Requests.Withdraw(r.Call(), &v1.WithdrawRequest{Id: v.GetId(), SessionToken: token})
				return err
			},
			"list": func() error {
				_, err := r.Requests.ListRequests(r.Call(), &v1.ListRequestsRequest{SessionToken: token})
				return err
			},
			"decide": func() error {
				_, err := r.Requests.Decide(r.Call(), &v1.DecideRequest{Id: v.GetId(), Approve: false, Reason: "no", SessionToken: token})
				return err
			},
			"use": func() error {
				_, err := r.Requests.Use(r.Call(), r.Box, v.GetId(), token, func(*store.Tx, store.Request, *identity.SessionToken, time.Duration) error {
					t.Errorf("%s: used", what)
					return nil
				})
				return err
			},
		}
		for call, f := range calls {
			if err := f(); connect.CodeOf(err) != connect.CodeFailedPrecondition {
				t.Errorf("%s with a token of %s: %v", call, what, err)
			}
		}
	}
	r.is(r.get(v.GetId()), store.RequestGranted)
}

// TestADecisionTakesAnAuthenticationForIt: for that request, that decision, and of two
// minutes.
// Promise request-person.
func TestADecisionTakesAnAuthenticationForIt(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	v := r.is(r.ask("alice", hops("web1")), store.RequestWaiting)
	id := uuid.MustParse(v.GetId())
	other := r.ask("alice", hops("db1"))
	for what, change := range map[string]func(*identity.SessionToken){
		"a login":         func(s *identity.SessionToken) { s.Purpose = "" },
		"a denial":        func(s *identity.SessionToken) { s.Purpose = identity.PurposeOf(id, false) },
		"another request": func(s *identity.SessionToken) { s.Purpose = identity.PurposeOf(uuid.MustParse(other.GetId()), true) },
		"another time":    func(s *identity.SessionToken) { s.AuthenticatedAt -= 121 },
		"another machine": func(s *identity.SessionToken) { s.Machine = uuid.New() },
	} {
		s := r.session("bob", "box")
		s.Purpose = identity.PurposeOf(id, true)
		change(&s)
		_, err := r.Requests.Decide(r.Call(), &v1.DecideRequest{Id: v.GetId(), Approve: true, SessionToken: r.Signed(s)})
		if connect.CodeOf(err) != connect.CodeFailedPrecondition {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.is(r.get(v.GetId()), store.RequestWaiting)
	r.is(r.approve("bob", v.GetId()), store.RequestGranted)
}

// TestWhoIsBeyondTheMachinesScopeAsksNothing: and who was disabled since uses nothing.
// Promise request-person.
func TestWhoIsBeyondTheMachinesScopeAsksNothing(t *testing.T) {
	r := newRig(t)
	r.rule("all", "grant")
	v := r.is(r.ask("frank", hops("web1")), store.RequestGranted)
	r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"leads"}}}))
	_, err := r.tryAsk(&v1.AskRequest{SessionToken: r.there("frank"), Kind: hops("db1")})
	r.refused(err, connect.CodeFailedPrecondition)
	_, err = r.use("frank", v.GetId())
	r.refused(err, connect.CodeFailedPrecondition)
	w := r.is(r.ask("bob", hops("web1")), store.RequestGranted)
	r.Must(r.Admin.SetAccountState(t.Context(), &v1.SetAccountStateRequest{Name: "bob", Disabled: true}))
	_, err = r.use("bob", w.GetId())
	r.refused(err, connect.CodeFailedPrecondition)
}

// TestARequestIsSeenFromItsMachineAlone: and by its asker and those who may decide it.
// Promise request-person.
func TestARequestIsSeenFromItsMachineAlone(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	v := r.ask("alice", hops("web1"))
	_, err := r.Requests.GetRequest(r.calls["web1"], &v1.GetRequestRequest{Id: v.GetId()})
	r.refused(err, connect.CodeNotFound)
	for name, want := range map[string][2]int{"alice": {1, 0}, "bob": {0, 1}, "frank": {0, 0}, "mallory": {0, 0}} {
		resp, err := r.Requests.ListRequests(r.Call(), &v1.ListRequestsRequest{SessionToken: r.there(name)})
		r.Must(nil, err)
		if got := [2]int{len(resp.GetOwn()), len(resp.GetOthers())}; got != want {
			t.Errorf("%s sees %v, want %v", name, got, want)
		}
		if name == "bob" && !resp.GetOthers()[0].GetYours() {
			t.Error("bob may decide it")
		}
	}
	_, err = r.Requests.Withdraw(r.Call(), &v1.WithdrawRequest{Id: v.GetId(), SessionToken: r.there("mallory")})
	r.refused(err, connect.CodeNotFound)
	if _, err := r.decide("mallory", v.GetId(), true); connect.CodeOf(err) != connect.CodeNotFound {
		t.Error(err)
	}
	resp, err := r.Requests.Withdraw(r.Call(), &v1.WithdrawRequest{Id: v.GetId(), SessionToken: r.there("alice"), Reason: "not\nneeded"})
	r.Must(nil, err)
	if w := r.is(resp.GetRequest(), store.RequestWithdrawn); !strings.Contains(w.GetWhy(), "alice withdrew it: not needed") {
		t.Error(w.GetWhy())
	}
	if _, err := r.decide("bob", v.GetId(), true); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("what was withdrawn is approved: %v", err)
	}
}
