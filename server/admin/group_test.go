package admin_test

import (
	"strings"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

func TestAGroupShowsItsMembersAndRefusesToContainItself(t *testing.T) {
	b := servertest.New(t)
	for _, g := range []string{"inner", "outer"} {
		b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: g}))
	}
	b.Must(b.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "inner", Member: "alice"}))
	view, err := b.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "outer", Member: "inner"})
	if err != nil || len(view.GetGroups()) != 1 {
		t.Fatal(view, err)
	}
	if _, err := b.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "inner", Member: "outer"}); err == nil {
		t.Fatal("a cycle was accepted")
	}
	alice, err := b.Admin.ShowAccount(t.Context(), &v1.NameRequest{Name: "alice"})
	if err != nil || strings.Join(alice.GetGroups(), " ") != "alice inner outer" {
		t.Fatal(alice, err)
	}
}
