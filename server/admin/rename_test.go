package admin_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Promise rename-account.
func TestARenamedAccountIsTheSameByAnotherName(t *testing.T) {
	b := servertest.New(t)
	b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "admins"}))
	b.Must(b.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "admins", Member: "alice"}))
	before, err := b.Admin.ShowAccount(t.Context(), servertest.Named("alice"))
	b.Must(nil, err)
	held := b.Begin("alice") // a login that is under way
	after, err := b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", NewName: proto.String("alicia")})
	b.Must(nil, err)
	if after.GetUuid() != before.GetUuid() || after.GetUid() != before.GetUid() || after.GetHome() != "/home/alice" || after.GetName() != "alicia" ||
		after.GetRevision() <= before.GetRevision() || !slices.Equal(after.GetGroups(), []string{"alicia", "admins"}) {
		t.Errorf("before %v\nafter %v", before, after)
	}
	if b.Answer(held, servertest.Right) || b.LogsIn("alice", servertest.Right) {
		t.Error("the old name lets in")
	}
	if !b.LogsIn("alicia", servertest.Right) {
		t.Error("the new name does not let in")
	}
	if _, err := b.Admin.ShowAccount(t.Context(), servertest.Named("alice")); err == nil {
		t.Error("the old name is there")
	}
	// The old name is free, for another.
	b.Must(b.Admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "alice"}))
	if b.LogsIn("alice", servertest.Right) {
		t.Error("another account has her password")
	}
}

// Promise rename-group.
func TestARenamedGroupIsTheSameByAnotherName(t *testing.T) {
	b := servertest.New(t)
	for _, g := range []string{"outer", "inner"} {
		b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: g, Demands: []string{"password"}}))
	}
	b.Must(b.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "outer", Member: "inner"}))
	b.Must(b.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "inner", Member: "alice"}))
	before, err := b.Admin.ShowGroup(t.Context(), servertest.Named("outer"))
	b.Must(nil, err)
	alice, err := b.Admin.ShowAccount(t.Context(), servertest.Named("alice"))
	b.Must(nil, err)
	after, err := b.Admin.SetGroup(t.Context(), &v1.SetGroupRequest{Name: "outer", NewName: proto.String("wide")})
	b.Must(nil, err)
	if after.GetUuid() != before.GetUuid() || after.GetGid() != before.GetGid() || after.GetName() != "wide" ||
		!slices.Equal(after.GetGroups(), []string{"inner"}) || !slices.Equal(after.GetDemands(), before.GetDemands()) {
		t.Errorf("before %v\nafter %v", before, after)
	}
	now, err := b.Admin.ShowAccount(t.Context(), servertest.Named("alice"))
	b.Must(nil, err)
	if !slices.Equal(now.GetGroups(), []string{"alice", "inner", "wide"}) || now.GetRevision() <= alice.GetRevision() {
		t.Errorf("machines do not learn it: %v", now)
	}
}

// Promise rename-rules.
func TestANewNameKeepsTheRulesOfNames(t *testing.T) {
	b := servertest.New(t)
	b.Settings.Reserved = []string{"mine"}
	b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "admins"}))
	for name, want := range map[string]error{
		"": identity.ErrName, "Alicia": identity.ErrName, "a:b": identity.ErrName, "../x": identity.ErrName, "alicia@example.org": identity.ErrName,
		"root": identity.ErrReserved, "docker": identity.ErrReserved, "mine": identity.ErrReserved,
		"carol": store.ErrExists, "admins": store.ErrExists, "alice": store.ErrExists,
	} {
		if _, err := b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", NewName: proto.String(name)}); !errors.Is(err, want) {
			t.Errorf("an account as %q: %v", name, err)
		}
		if _, err := b.Admin.SetGroup(t.Context(), &v1.SetGroupRequest{Name: "admins", NewName: proto.String(name)}); !errors.Is(err, want) {
			t.Errorf("a group as %q: %v", name, err)
		}
	}
	if !b.LogsIn("alice", servertest.Right) {
		t.Error("a refused name changed the account")
	}
}

// Promise rename-rules.
func TestARenameGivesNobodyMoreGuesses(t *testing.T) {
	b := servertest.New(t)
	for range 5 {
		b.LogsIn("alice", "wrong")
	}
	if b.LogsIn("alice", servertest.Right) {
		t.Fatal("not locked")
	}
	b.Must(b.Admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", NewName: proto.String("alicia")}))
	if b.LogsIn("alicia", servertest.Right) {
		t.Error("the lock is gone")
	}
	b.Must(b.Admin.UnlockAccount(t.Context(), servertest.Named("alicia")))
	if !b.LogsIn("alicia", servertest.Right) {
		t.Error("the lock cannot be lifted by the new name")
	}
}
