package request_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
	"github.com/sallyport-auth/sallyport/server/store"
)

// orders are all chains of these hosts, each host once at most.
func orders(hosts []string) (all [][]string) {
	for i, h := range hosts {
		rest := slices.Delete(slices.Clone(hosts), i, i+1)
		all = append(all, []string{h})
		for _, o := range orders(rest) {
			all = append(all, append([]string{h}, o...))
		}
	}
	return all
}

// TestOnlyTheOrderThatRulesDemandIsGoneThrough: all chains of four hosts, of which the
// second takes the first, the third the second or what has a tag, and the fourth the third.
// A rule that would grant everything stands behind them.
// Promise request-through.
func TestOnlyTheOrderThatRulesDemandIsGoneThrough(t *testing.T) {
	r := newRig(t) // web1 has the tag web
	r.Machine("inner")
	through := func(machine string, names, tags []string) func(*v1.RuleView) {
		return func(v *v1.RuleView) { v.Machines, v.Through, v.ThroughTags = []string{machine}, names, tags }
	}
	r.rule("inner", "grant", through("inner", []string{"bastion"}, nil))
	r.rule("web", "grant", through("web1", []string{"inner"}, nil))
	r.rule("db", "grant", through("db1", nil, []string{"web"}))
	r.rule("all", "grant")
	before := map[string]string{"inner": "bastion", "web1": "inner", "db1": "web1"}
	chains := orders([]string{"bastion", "inner", "web1", "db1"})
	if len(chains) != 64 {
		t.Fatal(len(chains))
	}
	granted := 0
	for _, chain := range chains {
		right, want := true, store.RequestDenied
		for i, h := range chain {
			right = right && (before[h] == "" || i > 0 && chain[i-1] == before[h])
		}
		if right {
			granted, want = granted+1, store.RequestGranted
		}
		// The demands are told in the order of the chain.
		v := r.ask("alice", hops(chain...))
		if v.GetState() != string(want) {
			t.Errorf("%s: %s, want %s: %s", strings.Join(chain, ","), v.GetState(), want, v.GetWhy())
		}
		if !right && !strings.Contains(v.GetWhy(), "only through") {
			t.Errorf("%s: why: %q", strings.Join(chain, ","), v.GetWhy())
		}
	}
	if granted != 4 {
		t.Errorf("%d chains are granted, want 4", granted)
	}
}

// TestWhoGoesAnotherWayReadsTheRightOne.
// Promise request-through.
func TestWhoGoesAnotherWayReadsTheRightOne(t *testing.T) {
	r := newRig(t)
	r.Machine("web2")
	r.Must(r.Admin.AddMachine(t.Context(), servertest.Named("web0"))) // has not joined
	for _, name := range []string{"web0", "web2"} {
		r.Must(r.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: name, Tags: &v1.Tags{Words: []string{"web"}}}))
	}
	says := func(want string, chain ...string) {
		t.Helper()
		if v := r.is(r.ask("alice", hops(append(chain, "db1")...)), store.RequestDenied); v.GetWhy() != want {
			t.Errorf("%q\nwant %q", v.GetWhy(), want)
		}
	}
	db := func(v *v1.RuleView) { v.Machines = []string{"db1"} }
	r.rule("db", "approve", by("leads", 1), db, func(v *v1.RuleView) { v.Through = []string{"bastion"} })
	says(`rule "db" lets people reach db1 only through bastion: sallyport ssh -J bastion db1`)
	r.Must(r.Admin.RemoveMachine(t.Context(), servertest.Named("bastion")))
	says(`rule "db" lets people reach db1 only through machines of which there is none now: ask your administrator`)
	r.Machine("bastion") // a new one of that name is another
	says(`rule "db" lets people reach db1 only through machines of which there is none now: ask your administrator`)
	r.Must(r.Admin.RemoveRule(t.Context(), servertest.Named("db")))
	r.rule("db", "grant", db, func(v *v1.RuleView) { v.ThroughTags = []string{"web", "w_b"} })
	says(`rule "db" lets people reach db1 only through web1 or web2: sallyport ssh -J web1 db1`)
	r.rule("bastion", "grant", func(v *v1.RuleView) { v.Machines = []string{"bastion"} })
	says(`rule "db" lets people reach db1 only through web1 or web2: sallyport ssh -J web1 db1`, "bastion")
	r.rule("web", "grant", func(v *v1.RuleView) { v.Tags, v.Through = []string{"web"}, []string{"bastion"} })
	says(`rule "web" lets people reach web1 only through bastion: sallyport ssh -J bastion,web1 db1`, "web1") // and what is behind it
	says(`rule "web" lets people reach web2 only through bastion: sallyport ssh -J bastion,web2 db1`, "bastion", "web1", "web2")
	says(`rule "web" lets people reach web1 only through bastion: sallyport ssh -J bastion,web1 db1`, "web1", "bastion")
}

// TestAnOpenGrantGoesTheWayThatRulesDemandNow.
// Promise request-through.
func TestAnOpenGrantGoesTheWayThatRulesDemandNow(t *testing.T) {
	r := newRig(t)
	r.rule("all", "grant")
	direct := r.is(r.ask("alice", hops("db1")), store.RequestGranted)
	chained := r.is(r.ask("alice", hops("bastion", "db1")), store.RequestGranted)
	r.Must(r.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Before: "all", Rule: &v1.RuleView{
		Name: "db", Effect: "grant", Machines: []string{"db1"}, Through: []string{"bastion"},
	}}))
	if _, err := r.use("alice", direct.GetId()); err == nil || !strings.Contains(err.Error(), "-J bastion db1") {
		t.Error(err)
	}
	if _, err := r.use("alice", chained.GetId()); err != nil {
		t.Error(err)
	}
	r.is(r.ask("alice", hops("db1")), store.RequestDenied)
	if again := r.ask("alice", hops("bastion", "db1")); again.GetId() != chained.GetId() {
		t.Error(again)
	}
}
