package auth

import (
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestAMachineLocksNobodyBeyondItsScopeOverTheRealm: it may be lied to that there is such
// an account, and what it guesses is its own affair.
// Promise machine-scope.
func TestAMachineLocksNobodyBeyondItsScopeOverTheRealm(t *testing.T) {
	b := newBench(t)
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "crew"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "crew", Member: "carol"}))
	b.must(b.admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "box", Scope: &v1.Scope{Groups: []string{"crew"}}}))
	other := b.machine("other")
	overRealm := func() (n uint32) {
		b.must(nil, b.Store.Read(t.Context(), func(tx *store.Tx) error {
			all, err := tx.FailuresAt("alice", uuid.Nil, "")
			n = all[store.Spot{Kind: identity.Password}].Count
			return err
		}))
		return n
	}
	for range 3 {
		b.from(b.box, "seat", "wrong")
	}
	if got := b.from(b.box, "uid 7", right); got.allow {
		t.Error("alice signs in through a machine that may not know her")
	}
	if n := overRealm(); n != 0 {
		t.Errorf("%d failures count over the realm", n)
	}
	if b.from(b.box, "seat", "wrong"); b.from(b.box, "seat", "wrong").allow || b.lockLeft(b.box, "seat") == 0 {
		t.Error("the machine's own guesses are not counted at all")
	}
	b.from(other, "seat", "wrong")
	if n := overRealm(); n != 1 {
		t.Errorf("%d failures of a machine without a scope count over the realm", n)
	}
}
