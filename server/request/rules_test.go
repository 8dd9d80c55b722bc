package request_test

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// TestTheFirstRuleThatMatchesDecides: each thing that a rule says is a condition, and what
// no rule matches is refused.
// Promise request-rules.
func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	as := func(account string, kind *v1.AskRequest_Ssh) *v1.AskRequest_Ssh {
		kind.Ssh.Hops[len(kind.Ssh.Hops)-1].Account = account
		return kind
	}
	in := func(role string, kind *v1.AskRequest_Ssh) *v1.AskRequest_Ssh {
		kind.Ssh.Role = role
		return kind
	}
	forward := func(word string, kind *v1.AskRequest_Ssh) *v1.AskRequest_Ssh {
		kind.Ssh.Forward = []string{word}
		return kind
	}
	rule := func(effect string, change func(*v1.RuleView)) *v1.RuleView {
		v := &v1.RuleView{Effect: effect}
		if change != nil {
			change(v)
		}
		return v
	}
	grant := func(change func(*v1.RuleView)) []*v1.RuleView { return []*v1.RuleView{rule("grant", change)} }
	const yes, no = store.RequestGranted, store.RequestDenied
	r := newRig(t)
	r.Must(r.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "outer"}))
	r.Must(r.Admin.AddMember(t.Context(), &v1.MemberRequest{Group: "outer", Member: "leads"}))
	for what, c := range map[string]struct {
		rules []*v1.RuleView
		asker string
		ask   *v1.AskRequest_Ssh
		want  store.RequestState
	}{
		"no rule":                       {nil, "bob", hops("web1"), no},
		"everybody":                     {grant(nil), "mallory", hops("web1"), yes},
		"a member":                      {grant(func(v *v1.RuleView) { v.Who = "leads" }), "bob", hops("web1"), yes},
		"a member of a group in it":     {grant(func(v *v1.RuleView) { v.Who = "outer" }), "bob", hops("web1"), yes},
		"no member":                     {grant(func(v *v1.RuleView) { v.Who = "leads" }), "mallory", hops("web1"), no},
		"that machine":                  {grant(func(v *v1.RuleView) { v.Machines = []string{"web1"} }), "bob", hops("web1"), yes},
		"another machine":               {grant(func(v *v1.RuleView) { v.Machines = []string{"web1"} }), "bob", hops("db1"), no},
		"that tag":                      {grant(func(v *v1.RuleView) { v.Tags = []string{"web"} }), "bob", hops("web1"), yes},
		"another tag":                   {grant(func(v *v1.RuleView) { v.Tags = []string{"web"} }), "bob", hops("db1"), no},
		"that machine or that tag":      {grant(func(v *v1.RuleView) { v.Machines, v.Tags = []string{"db1"}, []string{"web"} }), "bob", hops("web1"), yes},
		"that role":                     {grant(func(v *v1.RuleView) { v.Role = "backup" }), "bob", in("backup", hops("web1")), yes},
		"another role":                  {grant(func(v *v1.RuleView) { v.Role = "backup" }), "bob", hops("web1"), no},
		"another's account":             {grant(nil), "bob", as("deploy", hops("web1")), no},
		"the own account, named":        {grant(nil), "bob", as("bob", hops("web1")), yes},
		"an account that a rule names":  {grant(func(v *v1.RuleView) { v.Accounts = []string{"deploy"} }), "bob", as("deploy", hops("web1")), yes},
		"self, where others are named":  {grant(func(v *v1.RuleView) { v.Accounts = []string{"deploy"} }), "bob", hops("web1"), no},
		"self, where it is named too":   {grant(func(v *v1.RuleView) { v.Accounts = []string{"deploy", "self"} }), "bob", hops("web1"), yes},
		"no forwarding":                 {grant(nil), "bob", forward("local", hops("web1")), no},
		"that forwarding":               {grant(func(v *v1.RuleView) { v.Forward = []string{"local"} }), "bob", forward("local", hops("web1")), yes},
		"other forwarding":              {grant(func(v *v1.RuleView) { v.Forward = []string{"local"} }), "bob", forward("remote", hops("web1")), no},
		"the target alone":              {grant(func(v *v1.RuleView) { v.Machines = []string{"web1"} }), "bob", hops("bastion", "web1"), no},
		"the host before the target":    {[]*v1.RuleView{rule("grant", func(v *v1.RuleView) { v.Role = "login" }), rule("grant", func(v *v1.RuleView) { v.Role = "pass" })}, "bob", hops("bastion", "web1"), yes},
		"a login, where one may pass":   {grant(func(v *v1.RuleView) { v.Role = "pass" }), "bob", hops("bastion"), no},
		"refused before":                {[]*v1.RuleView{rule("refuse", func(v *v1.RuleView) { v.Who = "leads" }), rule("grant", nil)}, "bob", hops("web1"), no},
		"refused after":                 {[]*v1.RuleView{rule("grant", nil), rule("refuse", nil)}, "bob", hops("web1"), yes},
		"refused, as whomever":          {[]*v1.RuleView{rule("refuse", nil), rule("grant", func(v *v1.RuleView) { v.Accounts = []string{"deploy"} })}, "bob", as("deploy", hops("web1")), no},
		"one part is refused":           {[]*v1.RuleView{rule("refuse", func(v *v1.RuleView) { v.Machines = []string{"bastion"} }), rule("grant", nil)}, "bob", hops("bastion", "web1"), no},
		"forwarding at the target only": {[]*v1.RuleView{rule("grant", func(v *v1.RuleView) { v.Machines = []string{"bastion"} }), rule("grant", func(v *v1.RuleView) { v.Forward = []string{"x11"} })}, "bob", forward("x11", hops("bastion", "web1")), yes},
	} {
		t.Run(what, func(t *testing.T) {
			for i, v := range c.rules {
				v.Name = "r" + string(rune('a'+i))
				r.Must(r.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: v}))
			}
			v := r.ask(c.asker, c.ask)
			for _, rule := range c.rules {
				r.Must(r.Admin.RemoveRule(t.Context(), servertest.Named(rule.GetName())))
			}
			if r.is(v, c.want); (v.GetWhy() == "") != (c.want == yes) {
				t.Errorf("why: %q", v.GetWhy())
			}
		})
	}
}

// TestWhatTheRulesOfAllPartsWantIsJoined: the freshest and strongest proof, every approval,
// the shortest times.
// Promise request-rules.
func TestWhatTheRulesOfAllPartsWantIsJoined(t *testing.T) {
	r := newRig(t)
	r.group("dbas", "frank")
	r.Must(r.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{
		Name: "bastions", Machines: []string{"bastion"}, Effect: "approve", Approvers: "leads", MaxAgeSeconds: 600, Kinds: []string{"totp"}, GrantSeconds: 7200, UseSeconds: 120,
	}}))
	r.Must(r.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{
		Name: "rest", Effect: "approve", Approvers: "leads", Count: 2, MaxAgeSeconds: 900, Points: 3, GrantSeconds: 600, UseSeconds: 600,
	}}))
	r.Must(r.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Before: "rest", Rule: &v1.RuleView{Name: "db", Machines: []string{"db1"}, Effect: "approve", Approvers: "dbas"}}))
	v := r.is(r.ask("alice", hops("bastion", "db1", "web1")), store.RequestAsked)
	if d := v.GetDemand(); d.GetMaxAgeSeconds() != 600 || strings.Join(d.GetKinds(), " ") != "totp" || d.GetPoints() != 3 {
		t.Error(d)
	}
	if rules := strings.Join(v.GetRules(), " "); rules != "bastions db rest" {
		t.Error(rules)
	}
	s := r.session("alice", "box")
	s.Methods = []identity.FactorKind{identity.Password, identity.TOTP}
	resp, err := r.Requests.Prove(r.Call(), &v1.ProveRequest{Id: v.GetId(), SessionToken: r.Signed(s)})
	r.Must(nil, err)
	v = r.is(resp.GetRequest(), store.RequestWaiting)
	if n := v.GetNeeds(); len(n) != 2 || n[0].GetGroup() != "leads" || n[0].GetCount() != 2 || n[1].GetGroup() != "dbas" || n[1].GetCount() != 1 {
		t.Error(n)
	}
	r.is(r.approve("bob", v.GetId()), store.RequestWaiting)
	r.is(r.approve("frank", v.GetId()), store.RequestWaiting)
	v = r.is(r.approve("erin", v.GetId()), store.RequestGranted)
	if life := v.GetUntil().AsTime().Sub(r.Now()); life != 10*time.Minute {
		t.Error(life)
	}
	var life time.Duration
	_, err = r.Requests.Use(r.Call(), r.Box, v.GetId(), r.Signed(s), func(_ *store.Tx, _ store.Request, _ *identity.SessionToken, l time.Duration) error {
		life = l
		return nil
	})
	if err != nil || life != 2*time.Minute {
		t.Error(life, err)
	}
	if _, err := r.use("alice", v.GetId()); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("used by a password alone: %v", err)
	}
}

// TestAFresherOrStrongerProofIsAskedFor: with the demand, until it is shown.
// Promise request-proof.
func TestAFresherOrStrongerProofIsAskedFor(t *testing.T) {
	r := newRig(t)
	r.rule("fresh", "grant", func(v *v1.RuleView) { v.MaxAgeSeconds = 300 })
	old := r.session("alice", "box")
	r.later(301 * time.Second)
	v, err := r.tryAsk(&v1.AskRequest{SessionToken: r.Signed(old), Kind: hops("web1")})
	r.Must(nil, err)
	r.is(v, store.RequestAsked)
	if _, err := r.use("alice", v.GetId()); err == nil {
		t.Error("used before it is granted")
	}
	resp, err := r.Requests.Prove(r.Call(), &v1.ProveRequest{Id: v.GetId(), SessionToken: r.Signed(old)})
	r.Must(nil, err)
	r.is(resp.GetRequest(), store.RequestAsked)
	if _, err := r.Requests.Prove(r.Call(), &v1.ProveRequest{Id: v.GetId(), SessionToken: r.there("bob")}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("proved by another: %v", err)
	}
	resp, err = r.Requests.Prove(r.Call(), &v1.ProveRequest{Id: v.GetId(), SessionToken: r.there("alice")})
	r.Must(nil, err)
	r.is(resp.GetRequest(), store.RequestGranted)
	// The session of before is neither fresh nor the one that it was granted by.
	_, err = r.Requests.Use(r.Call(), r.Box, v.GetId(), r.Signed(old), func(*store.Tx, store.Request, *identity.SessionToken, time.Duration) error { return nil })
	r.refused(err, connect.CodeFailedPrecondition)
	// Nor is an open grant its answer.
	w, err := r.tryAsk(&v1.AskRequest{SessionToken: r.Signed(old), Kind: hops("web1")})
	r.Must(nil, err)
	if r.is(w, store.RequestAsked); w.GetId() == v.GetId() {
		t.Error("the open grant")
	}
	v, err = r.tryAsk(&v1.AskRequest{SessionToken: r.Signed(old), Kind: hops("db1")})
	r.Must(nil, err)
	r.later(10 * time.Minute)
	r.is(r.get(v.GetId()), store.RequestExpired)
	resp, err = r.Requests.Prove(r.Call(), &v1.ProveRequest{Id: v.GetId(), SessionToken: r.there("alice")})
	r.Must(nil, err)
	r.is(resp.GetRequest(), store.RequestExpired)
}

// TestARequestIsLodgedOnce: with the same id and the same words. Other words under it are
// refused, and another's.
// Promise request-once.
func TestARequestIsLodgedOnce(t *testing.T) {
	r := newRig(t)
	r.rule("one", "approve", by("leads", 1))
	id := uuid.NewString()
	for range 3 {
		v, err := r.tryAsk(&v1.AskRequest{Id: id, Reason: "a\tdisk", Origin: "host 192.0.2.9", SessionToken: r.there("alice"), Kind: hops("web1")})
		r.Must(nil, err)
		if r.is(v, store.RequestWaiting); v.GetReason() != "a disk" {
			t.Error(v.GetReason())
		}
	}
	for what, req := range map[string]*v1.AskRequest{
		"another host":   {Reason: "a\tdisk", Origin: "host 192.0.2.9", SessionToken: r.there("alice"), Kind: hops("db1")},
		"another reason": {Reason: "b", Origin: "host 192.0.2.9", SessionToken: r.there("alice"), Kind: hops("web1")},
		"another person": {Reason: "a\tdisk", Origin: "host 192.0.2.9", SessionToken: r.there("bob"), Kind: hops("web1")},
	} {
		req.Id = id
		if _, err := r.tryAsk(req); connect.CodeOf(err) != connect.CodeAlreadyExists {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, req := range map[string]*v1.AskRequest{
		"no id":                  {Id: " ", Kind: hops("web1")},
		"the nil id":             {Id: uuid.Nil.String(), Kind: hops("web1")},
		"an id in capitals":      {Id: "A" + strings.ToUpper(uuid.NewString())[1:], Kind: hops("web1")},
		"a long reason":          {Reason: strings.Repeat("ä", 201), Kind: hops("web1")},
		"a long origin":          {Origin: strings.Repeat("a", 161), Kind: hops("web1")},
		"an unprintable one":     {Origin: "\x1b[2J", Kind: hops("web1")},
		"nothing that it is for": {},
	} {
		req.SessionToken = r.there("alice")
		if _, err := r.tryAsk(req); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if v, err := r.tryAsk(&v1.AskRequest{Reason: strings.Repeat("ä", 200), SessionToken: r.there("alice"), Kind: hops("web1")}); err != nil || v.GetReason() != strings.Repeat("ä", 200) {
		t.Error(v, err)
	}
}
