package server

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func TestARenamedAccountIsTheSameByAnotherName(t *testing.T) {
	b := newBench(t)
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "admins"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "admins", Member: "alice"}))
	before, err := b.admin.ShowAccount(t.Context(), nameOf("alice"))
	b.must(nil, err)
	held := b.start("alice") // a login that is under way
	after, err := b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", NewName: proto.String("alicia")})
	b.must(nil, err)
	if after.GetUuid() != before.GetUuid() || after.GetUid() != before.GetUid() || after.GetHome() != "/home/alice" || after.GetName() != "alicia" ||
		after.GetRevision() <= before.GetRevision() || !slices.Equal(after.GetGroups(), []string{"alicia", "admins"}) {
		t.Errorf("before %v\nafter %v", before, after)
	}
	if b.answer(b.box, held, identity.Password, right).allow || b.try("alice", right).allow {
		t.Error("the old name lets in")
	}
	if !b.try("alicia", right).allow {
		t.Error("the new name does not let in")
	}
	if _, err := b.admin.ShowAccount(t.Context(), nameOf("alice")); err == nil {
		t.Error("the old name is there")
	}
	// The old name is free, for another.
	b.must(b.admin.AddAccount(t.Context(), &v1.AddAccountRequest{Name: "alice"}))
	if b.try("alice", right).allow {
		t.Error("another account has her password")
	}
}

func TestARenamedGroupIsTheSameByAnotherName(t *testing.T) {
	b := newBench(t)
	for _, g := range []string{"outer", "inner"} {
		b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: g, Demands: []string{"password"}}))
	}
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "outer", Member: "inner"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "inner", Member: "alice"}))
	before, err := b.admin.ShowGroup(t.Context(), nameOf("outer"))
	b.must(nil, err)
	alice, err := b.admin.ShowAccount(t.Context(), nameOf("alice"))
	b.must(nil, err)
	after, err := b.admin.SetGroup(t.Context(), &v1.SetGroupRequest{Name: "outer", NewName: proto.String("wide")})
	b.must(nil, err)
	if after.GetUuid() != before.GetUuid() || after.GetGid() != before.GetGid() || after.GetName() != "wide" ||
		!slices.Equal(after.GetGroups(), []string{"inner"}) || !slices.Equal(after.GetDemands(), before.GetDemands()) {
		t.Errorf("before %v\nafter %v", before, after)
	}
	now, err := b.admin.ShowAccount(t.Context(), nameOf("alice"))
	b.must(nil, err)
	if !slices.Equal(now.GetGroups(), []string{"alice", "inner", "wide"}) || now.GetRevision() <= alice.GetRevision() {
		t.Errorf("machines do not learn it: %v", now)
	}
}

func TestANewNameKeepsTheRulesOfNames(t *testing.T) {
	b := newBench(t)
	b.settings.Reserved = []string{"mine"}
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "admins"}))
	for name, want := range map[string]error{
		"": identity.ErrName, "Alicia": identity.ErrName, "a:b": identity.ErrName, "../x": identity.ErrName, "alicia@example.org": identity.ErrName,
		"root": identity.ErrReserved, "docker": identity.ErrReserved, "mine": identity.ErrReserved,
		"carol": store.ErrExists, "admins": store.ErrExists, "alice": store.ErrExists,
	} {
		if _, err := b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", NewName: proto.String(name)}); !errors.Is(err, want) {
			t.Errorf("an account as %q: %v", name, err)
		}
		if _, err := b.admin.SetGroup(t.Context(), &v1.SetGroupRequest{Name: "admins", NewName: proto.String(name)}); !errors.Is(err, want) {
			t.Errorf("a group as %q: %v", name, err)
		}
	}
	if !b.try("alice", right).allow {
		t.Error("a refused name changed the account")
	}
}

func TestARenameGivesNobodyMoreGuesses(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.try("alice", "wrong")
	}
	if b.try("alice", right).allow {
		t.Fatal("not locked")
	}
	b.must(b.admin.SetAccount(t.Context(), &v1.SetAccountRequest{Name: "alice", NewName: proto.String("alicia")}))
	if b.try("alicia", right).allow {
		t.Error("the lock is gone")
	}
	b.must(b.admin.UnlockAccount(t.Context(), nameOf("alicia")))
	if !b.try("alicia", right).allow {
		t.Error("the lock cannot be lifted by the new name")
	}
}
