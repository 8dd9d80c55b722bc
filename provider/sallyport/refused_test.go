package sallyport_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
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
	for _, s := range m.Servers() {
		if s.State == "down" {
			t.Errorf("%+v", s)
		}
	}
}
