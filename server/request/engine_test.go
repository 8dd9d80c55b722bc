package request_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/server/store"
)

// TestNothingIsGrantedByDefault: without a rule everything is refused.
func TestNothingIsGrantedByDefault(t *testing.T) {
	r := newRig(t)
	v := r.is(r.ask("alice", hops("web1")), store.RequestDenied)
	if _, err := r.use("alice", v.GetId()); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Error(err)
	}
	r.rule("all", "grant")
	v = r.is(r.ask("alice", hops("bastion", "web1.example.org")), store.RequestGranted)
	if v.GetSubject() != "ssh alice@web1 through bastion" {
		t.Error(v.GetSubject())
	}
	if life, err := r.use("alice", v.GetId()); err != nil || life != 5*time.Minute {
		t.Error(life, err)
	}
	r.is(r.get(v.GetId()), store.RequestUsed)
	if again := r.ask("alice", hops("bastion", "web1.example.org")); again.GetId() != v.GetId() {
		t.Error("an open grant is not the answer")
	}
}

// TestMembersOfTheGroupApprove: and the asker does not.
func TestMembersOfTheGroupApprove(t *testing.T) {
	r := newRig(t)
	r.rule("two", "approve", by("leads", 2))
	v := r.is(r.ask("bob", hops("web1")), store.RequestWaiting)
	for _, name := range []string{"bob", "frank"} {
		if _, err := r.decide(name, v.GetId(), true); err == nil {
			t.Errorf("%s decides", name)
		}
	}
	r.is(r.approve("carol", v.GetId()), store.RequestWaiting)
	r.is(r.approve("carol", v.GetId()), store.RequestWaiting)
	r.is(r.approve("erin", v.GetId()), store.RequestGranted)
	if _, err := r.use("bob", v.GetId()); err != nil {
		t.Error(err)
	}
}
