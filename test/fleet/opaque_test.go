package fleet

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

// TestABranchSaysThatItProvesNoRegisteredPassword, so that machines go on offline: it is no
// wrong answer. A password that is hashed lets in.
// Promise opaque-branch.
func TestABranchSaysThatItProvesNoRegisteredPassword(t *testing.T) {
	b := newBranch(t, false, 0)
	b.person("ada", "")
	b.person("bob", "")
	m := b.machine("box")
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{OpaquePasswords: proto.Bool(true)}))
	if reply, err := login(t.Context(), m, "ada", ""); err != nil || reply.Outcome != provider.Allow {
		t.Fatalf("%+v, %v", reply, err)
	}
	if a, err := b.admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "ada"}); err != nil || !a.GetOpaquePassword() {
		t.Fatalf("%+v, %v", a, err)
	}
	b.caughtUp()
	b.cutOff()
	if reply, err := login(t.Context(), m, "ada", ""); !errors.Is(err, provider.ErrOffline) {
		t.Errorf("a registered password: %+v, %v", reply, err)
	}
	if reply, err := login(t.Context(), m, "bob", ""); err != nil || reply.Outcome != provider.Allow {
		t.Errorf("a hashed one: %+v, %v: %s", reply, err, b.reads.Log())
	}
}
