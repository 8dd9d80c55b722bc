package sallyport_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// A server that refuses a request has answered: no other is asked, and it stays up.
// Promise servers-refusal.
func TestARefusalOfARequestIsNoFaultOfTheServer(t *testing.T) {
	p := newPair(t)
	p.account("alice")
	m := open(t, p.o)
	session := try(t, m, "alice", testPassword).SignedSession
	p.second.Stall() // whoever asks there waits for ever
	_, _, err := m.Ask(within(t), session, identity.Origin{}, report.AskArgs{ID: uuid.NewString(), Hops: []report.Hop{{Host: "nowhere", Port: 22, Account: "alice"}}})
	var told provider.RequestError
	if !errors.As(err, &told) {
		t.Errorf("a host that is no machine: %v", err)
	}
	if _, err := m.Withdraw(within(t), session, uuid.NewString(), ""); !errors.As(err, &told) {
		t.Errorf("a request that is none: %v", err)
	}
	// One request too many.
	p.do(p.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "leads"}))
	p.do(p.admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "all", Effect: "approve", Approvers: "leads"}}))
	err = nil
	for i := 0; err == nil; i++ {
		if i > 100 {
			t.Fatal("there is no limit")
		}
		args := report.AskArgs{ID: uuid.NewString(), Role: fmt.Sprint("role", i), Hops: []report.Hop{{Host: "box", Port: 22, Account: "alice"}}}
		_, _, err = m.Ask(within(t), session, identity.Origin{}, args)
	}
	if !errors.As(err, &told) || !strings.Contains(err.Error(), "open") {
		t.Errorf("one request too many: %v", err)
	}
	for _, s := range m.Servers() {
		if s.State == "down" {
			t.Errorf("%+v", s)
		}
	}
}
