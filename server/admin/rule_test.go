package admin_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/servertest"
)

// names are those of the rules, in their order.
func names(rules []*v1.RuleView) string {
	var list []string
	for _, r := range rules {
		list = append(list, r.GetName())
	}
	return strings.Join(list, " ")
}

func TestRulesHaveAnOrderAndSayWhatIsLeftOut(t *testing.T) {
	b := servertest.New(t)
	b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "leads"}))
	add := func(name, before string) *v1.RuleView {
		v, err := b.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Before: before, Rule: &v1.RuleView{Name: name, Effect: "approve", Approvers: "leads"}})
		b.Must(nil, err)
		return v
	}
	v := add("b", "")
	if v.GetKind() != "ssh" || v.GetCount() != 1 || v.GetMaxAgeSeconds() != 8*3600 || v.GetGrantSeconds() != 3600 || v.GetUseSeconds() != 300 || strings.Join(v.GetAccounts(), " ") != "self" {
		t.Error(v)
	}
	add("c", "")
	add("a", "b")
	order := func(want string) {
		t.Helper()
		l, err := b.Admin.ListRules(t.Context(), &v1.ListRequest{})
		if b.Must(nil, err); names(l.GetRules()) != want {
			t.Errorf("%s, want %s", names(l.GetRules()), want)
		}
	}
	order("a b c")
	move := func(name, before string) error {
		_, err := b.Admin.MoveRule(t.Context(), &v1.MoveRuleRequest{Name: name, Before: before})
		return err
	}
	b.Must(nil, move("c", "b"))
	order("a c b")
	b.Must(nil, move("a", ""))
	order("c b a")
	for _, wrong := range [][2]string{{"d", ""}, {"a", "d"}, {"a", "a"}} {
		if connect.CodeOf(move(wrong[0], wrong[1])) != connect.CodeNotFound {
			t.Error(wrong)
		}
	}
	order("c b a")
	b.Must(b.Admin.RemoveRule(t.Context(), servertest.Named("b")))
	order("c a")
	if _, err := b.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "a", Effect: "grant"}}); connect.CodeOf(err) != connect.CodeAlreadyExists {
		t.Error(err)
	}
}

// TestARuleThatCannotBeIsRefused: nothing of it is taken for a default.
// Promise request-rules.
func TestARuleThatCannotBeIsRefused(t *testing.T) {
	b := servertest.New(t)
	b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: "leads"}))
	many := make([]string, 65)
	for i := range many {
		many[i] = "box"
	}
	for what, change := range map[string]func(*v1.RuleView){
		"no effect":              func(v *v1.RuleView) { v.Effect = "" },
		"another effect":         func(v *v1.RuleView) { v.Effect = "allow" },
		"another kind":           func(v *v1.RuleView) { v.Kind = "group" },
		"an odd name":            func(v *v1.RuleView) { v.Name = "A b" },
		"an unknown group":       func(v *v1.RuleView) { v.Who = "nobody" },
		"an unknown machine":     func(v *v1.RuleView) { v.Machines = []string{"nowhere"} },
		"many machines":          func(v *v1.RuleView) { v.Machines = many },
		"an unknown bastion":     func(v *v1.RuleView) { v.Through = []string{"nowhere"} },
		"many bastions":          func(v *v1.RuleView) { v.Through = many },
		"an odd tag of bastions": func(v *v1.RuleView) { v.ThroughTags = []string{"a b"} },
		"a way of a refusal":     func(v *v1.RuleView) { v.Effect, v.Through = "refuse", []string{"box"} },
		"an odd tag":             func(v *v1.RuleView) { v.Tags = []string{"a b"} },
		"an odd role":            func(v *v1.RuleView) { v.Role = "a b" },
		"an unknown account":     func(v *v1.RuleView) { v.Accounts = []string{"nobody"} },
		"another forwarding":     func(v *v1.RuleView) { v.Forward = []string{"agent"} },
		"approvers of a grant":   func(v *v1.RuleView) { v.Approvers = "leads" },
		"a count of a grant":     func(v *v1.RuleView) { v.Count = 1 },
		"nobody approves":        func(v *v1.RuleView) { v.Effect = "approve" },
		"unknown approvers":      func(v *v1.RuleView) { v.Effect, v.Approvers = "approve", "nobody" },
		"17 approvers":           func(v *v1.RuleView) { v.Effect, v.Approvers, v.Count = "approve", "leads", 17 },
		"an unknown factor":      func(v *v1.RuleView) { v.Kinds = []string{"iris"} },
		"points without end":     func(v *v1.RuleView) { v.Points = 1 << 20 },
		"an age of a blink":      func(v *v1.RuleView) { v.MaxAgeSeconds = 29 },
		"an age of a day":        func(v *v1.RuleView) { v.MaxAgeSeconds = 86400 },
		"a grant of a blink":     func(v *v1.RuleView) { v.GrantSeconds = 59 },
		"a grant of more days":   func(v *v1.RuleView) { v.GrantSeconds = 7*86400 + 1 },
		"a use of a blink":       func(v *v1.RuleView) { v.UseSeconds = 59 },
		"a use of an hour":       func(v *v1.RuleView) { v.UseSeconds = 901 },
		"before an unknown rule": func(v *v1.RuleView) { v.Name = "before-nothing" },
	} {
		v := &v1.RuleView{Name: "r", Effect: "grant"}
		change(v)
		req := &v1.AddRuleRequest{Rule: v}
		if v.GetName() == "before-nothing" {
			req.Before = "nothing"
		}
		if _, err := b.Admin.AddRule(t.Context(), req); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	l, err := b.Admin.ListRules(t.Context(), &v1.ListRequest{})
	if b.Must(nil, err); len(l.GetRules()) != 0 {
		t.Error(names(l.GetRules()))
	}
}

// TestAGroupOfARuleStays: or what the rule refuses would be open.
// Promise request-rules.
func TestAGroupOfARuleStays(t *testing.T) {
	b := servertest.New(t)
	for _, name := range []string{"interns", "leads"} {
		b.Must(b.Admin.AddGroup(t.Context(), &v1.AddGroupRequest{Name: name}))
	}
	b.Must(b.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "no", Who: "interns", Effect: "refuse"}}))
	b.Must(b.Admin.AddRule(t.Context(), &v1.AddRuleRequest{Rule: &v1.RuleView{Name: "yes", Effect: "approve", Approvers: "leads"}}))
	for _, name := range []string{"interns", "leads"} {
		if _, err := b.Admin.RemoveGroup(t.Context(), servertest.Named(name)); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "rule list") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Must(b.Admin.RemoveRule(t.Context(), servertest.Named("no")))
	b.Must(b.Admin.RemoveGroup(t.Context(), servertest.Named("interns")))
}

// TestNoTwoMachinesHaveTheSameHost: nor does one have the name of another.
// Promise ssh-kind.
func TestNoTwoMachinesHaveTheSameHost(t *testing.T) {
	b := servertest.New(t)
	b.Machine("web1")
	set := func(machine string, names, addresses []string) (*v1.MachineView, error) {
		req := &v1.SetMachineRequest{Name: machine}
		if names != nil {
			req.HostNames = &v1.Hosts{Hosts: names}
		}
		if addresses != nil {
			req.Addresses = &v1.Hosts{Hosts: addresses}
		}
		return b.Admin.SetMachine(t.Context(), req)
	}
	b.Must(set("web1", []string{"WWW.example.org", "a.example.org"}, []string{"192.0.2.1", "2001:DB8::1"}))
	v, err := set("web1", nil, nil)
	if b.Must(nil, err); strings.Join(v.GetHostNames(), " ") != "a.example.org www.example.org" || strings.Join(v.GetAddresses(), " ") != "192.0.2.1 2001:db8::1" {
		t.Error(v)
	}
	for _, wrong := range [][]string{{"www.example.org"}, {"Web1"}, {"192.0.2.9"}, {""}, {"-a"}, {"a b"}, {"a..b"}, {"a;b"}, make([]string, 17)} {
		if _, err := set("box", wrong, nil); err == nil {
			t.Errorf("names %q are taken", wrong)
		}
	}
	for _, wrong := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "fe80::1%eth0", "box", "192.0.2.0/24"} {
		if _, err := set("box", nil, []string{wrong}); err == nil {
			t.Errorf("address %q is taken", wrong)
		}
	}
	b.Must(set("web1", []string{}, nil))
	v, err = set("box", []string{"www.example.org", "box"}, nil)
	if b.Must(nil, err); len(v.GetHostNames()) != 2 {
		t.Error(v)
	}
}
