package auth

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/store"
)

func (b *bench) group(req *v1.AddGroupRequest) {
	b.t.Helper()
	b.must(b.admin.AddGroup(b.t.Context(), req))
	b.must(b.admin.AddMember(b.t.Context(), &v1.MemberRequest{Group: req.GetName(), Member: "alice"}))
}

// earned are the groups that a session earned, by name, its own left out.
func (b *bench) earned(a answer) string {
	b.t.Helper()
	s, err := b.ring().SessionToken(a.session)
	b.must(nil, err)
	token, err := b.ring().IDToken(a.id)
	b.must(nil, err)
	var names []string
	for _, g := range token.Groups[1:] {
		for _, id := range s.Groups {
			if id == g.UUID {
				names = append(names, string(g.Name))
			}
		}
	}
	return strings.Join(names, " ")
}

// Promise groups-earned.
func TestAGroupIsEarnedByItsKindsAndItsPoints(t *testing.T) {
	b := newBench(t)
	b.totp()
	c := b.card("P-256", "card")
	b.give("alice", c)
	codes := b.backupCodes()
	b.group(&v1.AddGroupRequest{Name: "any"})
	b.group(&v1.AddGroupRequest{Name: "card", Demands: []string{"piv"}})
	b.group(&v1.AddGroupRequest{Name: "code", Demands: []string{"totp"}})
	b.group(&v1.AddGroupRequest{Name: "p31", Points: 31})
	b.group(&v1.AddGroupRequest{Name: "p50", Points: 50, Earned: true})
	pw := func(more bool) answer { return b.send(b.begin(session{}).cookie, identity.Password, right, more) }
	for what, want := range map[string]struct {
		got  answer
		want string
	}{
		"card":                     {b.sign(b.begin(session{}), c, false), "any card"},
		"password and code":        {b.send(pw(false).cookie, identity.TOTP, b.code(0), false), "any code"},
		"password and backup code": {b.send(pw(false).cookie, identity.BackupCode, codes[0], false), "any code"},
		"password and card":        {b.sign(pw(true), c, false), "any card p31"},
		"card and backup code":     {b.send(b.sign(b.begin(session{}), c, true).cookie, identity.BackupCode, codes[1], false), "any card code p31 p50"},
	} {
		if got := b.earned(want.got); got != want.want {
			t.Errorf("%s earned %q, want %q", what, got, want.want)
		}
	}
}

// Promise groups-earned.
func TestWhatTheRealmCountsIsInEveryTokenAndReachesEveryone(t *testing.T) {
	b := newBench(t)
	before := b.revisions()
	b.must(b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{Points: []*v1.KindPoints{{Kind: "piv", Points: 100}, {Kind: "totp", Points: 0}}}))
	b.reopen()
	for name, rev := range b.revisions() {
		if rev <= before[name] {
			t.Errorf("%s was not touched", name)
		}
	}
	token, err := b.ring().IDToken(b.try("alice", right).id)
	if err != nil || token.Points.Of(identity.PIV) != 100 || token.Points.Of(identity.TOTP) != 0 || token.Points.Of(identity.Password) != 10 {
		t.Fatal(token.Points, err)
	}
	b.group(&v1.AddGroupRequest{Name: "high", Points: 110})
	for what, req := range map[string][]*v1.KindPoints{
		"an unknown kind":    {{Kind: "iris", Points: 1}},
		"a way, not a kind":  {{Kind: "password+totp", Points: 1}},
		"too many":           {{Kind: "piv", Points: 1001}},
		"a kind twice":       {{Kind: "piv", Points: 1}, {Kind: "piv", Points: 2}},
		"a group left alone": {{Kind: "piv", Points: 10}},
	} {
		before := b.revisions()
		if _, err := b.admin.SetRealm(t.Context(), &v1.SetRealmRequest{Points: req}); err == nil || b.revisions()["alice"] != before["alice"] {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func (b *bench) revisions() map[identity.Name]uint64 {
	b.t.Helper()
	m := map[identity.Name]uint64{}
	b.must(nil, b.Store.Read(b.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Accounts()
		for _, a := range all {
			m[a.Name] = a.Revision
		}
		return err
	}))
	return m
}

// Promise groups-earned.
func TestAChangeOfWhatAGroupDemandsReachesItsMembers(t *testing.T) {
	b := newBench(t)
	b.group(&v1.AddGroupRequest{Name: "inner"})
	b.must(b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "outer"}))
	b.must(b.admin.AddMember(t.Context(), &v1.MemberRequest{Group: "outer", Member: "inner"}))
	for _, req := range []*v1.SetGroupRequest{
		{Name: "outer", Demands: &v1.Kinds{Kinds: []string{"piv", "totp"}}},
		{Name: "outer", Points: proto.Uint32(60)},
		{Name: "outer", Earned: proto.Bool(true)},
	} {
		before := b.revisions()
		b.must(b.admin.SetGroup(t.Context(), req))
		if now := b.revisions(); now["alice"] <= before["alice"] || now["carol"] != before["carol"] {
			t.Errorf("%v: %v, before %v", req, now, before)
		}
	}
	token, err := b.ring().IDToken(b.try("alice", right).id)
	b.must(nil, err)
	if g := token.Groups[2]; g.Name != "outer" || !g.Earned || g.Points != 60 || len(g.Demands) != 2 {
		t.Fatalf("%+v", g)
	}
	b.must(b.admin.SetGroup(t.Context(), &v1.SetGroupRequest{Name: "outer", Demands: &v1.Kinds{}}))
	v, err := b.admin.ShowGroup(t.Context(), &v1.NameRequest{Name: "outer"})
	if err != nil || len(v.GetDemands()) != 0 || v.GetPoints() != 60 || !v.GetEarned() {
		t.Fatal(v, err)
	}
	for what, req := range map[string]*v1.SetGroupRequest{
		"more than all":    {Name: "outer", Points: proto.Uint32(61)},
		"more than a word": {Name: "outer", Points: proto.Uint32(70_000)},
		"backup codes":     {Name: "outer", Demands: &v1.Kinds{Kinds: []string{"backup-code"}}},
	} {
		if _, err := b.admin.SetGroup(t.Context(), req); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if _, err := b.admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "never", Points: 61}); err == nil || !strings.Contains(err.Error(), "come to 60") {
		t.Error(err)
	}
}
