package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sallyport-auth/sallyport/cli/command"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// hosts reads a list with commas, or "" for none.
func hosts(f *command.Flags, name, usage string, into **v1.Hosts) {
	f.Func(name, usage, func(s string) error {
		if *into == nil {
			*into = &v1.Hosts{}
		}
		(*into).Hosts = append((*into).Hosts, words(s)...)
		return nil
	})
}

// storedKeys reads what becomes of stored ssh keys.
func storedKeys(f *command.Flags, usage string, into **string) {
	f.Func("stored-keys", usage, func(s string) error {
		*into = &s
		return nil
	})
}

// list reads words with commas between.
func list(f *command.Flags, name, usage string, into *[]string) {
	f.Func(name, usage, func(s string) error {
		*into = append(*into, words(s)...)
		return nil
	})
}

// span reads a time that is whole seconds.
func span(f *command.Flags, name, usage string, into *uint32) {
	f.Func(name, usage, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 || d%time.Second != 0 || d > 1<<31*time.Second {
			return fmt.Errorf("%q is not a time such as 5m or 8h, in whole seconds", s)
		}
		*into = uint32(d / time.Second)
		return nil
	})
}

func ruleAdd(f *command.Flags) request {
	r := &v1.RuleView{}
	before := f.String("before", "", "the `rule` that it goes before; left out: it is the last")
	f.StringVar(&r.Kind, "kind", "ssh", "the `kind` of requests: ssh")
	f.StringVar(&r.Who, "who", "", "the `group` whose members it is about; left out: everybody")
	list(f, "machines", "the `machines` that it is about, with commas between; left out, and no --tags: all", &r.Machines)
	list(f, "tags", "`words`: it is about machines with one of these tags", &r.Tags)
	list(f, "through", "the `machines`, with commas between, of which one must be the host just before in the chain, or it is refused; left out, and no --through-tags: any way", &r.Through)
	list(f, "through-tags", "`words`: as --through, a machine with one of these tags", &r.ThroughTags)
	f.StringVar(&r.Role, "role", "", "the `role` that is asked for; left out: any")
	list(f, "accounts", "the `accounts` to log in as, with commas between: self, or names of others; left out: self", &r.Accounts)
	list(f, "forward", "`words` for what may be forwarded: local, remote, x11; left out: nothing", &r.Forward)
	f.StringVar(&r.Effect, "effect", "", "`grant|approve|refuse`: what it comes to")
	f.StringVar(&r.Approvers, "approvers", "", "with approve, the `group` whose members approve")
	f.Func("count", "`number` of members who must approve: 1 to 16; left out: 1", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a number of people", s)
		}
		r.Count = uint32(n)
		return nil
	})
	span(f, "max-age", "how old the authentication may be: `time`, at most 8h; left out: 8h", &r.MaxAgeSeconds)
	f.BoolFunc("step-up", "as --max-age 5m", func(string) error {
		r.MaxAgeSeconds = uint32(5 * time.Minute / time.Second)
		return nil
	})
	list(f, "demands", "`factors` that the authentication must have proved, with commas between", &r.Kinds)
	var points *uint32
	number(f, "points", "`number` of points that the authentication must come to", &points)
	span(f, "grant-life", "for how long a grant is open: `time`, 1m to 168h; left out: 1h", &r.GrantSeconds)
	span(f, "use-life", "for how long one use of it counts: `time`, 1m to 15m; left out: 5m", &r.UseSeconds)
	f.StringVar(&r.Sessions, "sessions", "", "`keep|tell|end`: what becomes of sessions when their grant is ended early; left out: tell")
	f.BoolVar(&r.Earn, "earn", false, "sessions earn the strength-gated groups that the request was proved enough for")
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		if r.GetEffect() == "" {
			return nil, command.Usage("--effect grant, approve or refuse is missing")
		}
		if points != nil {
			r.Points = *points
		}
		r.Name = f.Name(0)
		return c.AddRule(ctx, &v1.AddRuleRequest{Rule: r, Before: *before})
	}
}

func ruleMove(f *command.Flags) request {
	before := f.String("before", "", "the `rule` that it goes before; left out: it is the last")
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		return c.MoveRule(ctx, &v1.MoveRuleRequest{Name: f.Name(0), Before: *before})
	}
}

func requestList(f *command.Flags) request {
	state := f.String("state", "", "only those in this `state`: asked, waiting, granted, denied, withdrawn, expired, used or ended")
	return func(ctx context.Context, c client, _ *command.Flags) (proto.Message, error) {
		return c.ListAllRequests(ctx, &v1.ListAllRequestsRequest{State: *state})
	}
}

func requestEnd(f *command.Flags) request {
	reason := f.String("reason", "", "`text`: why; those who asked read it")
	return func(ctx context.Context, c client, f *command.Flags) (proto.Message, error) {
		if *reason == "" {
			return nil, command.Usage("--reason TEXT is missing")
		}
		return c.EndRequest(ctx, &v1.EndRequestRequest{Id: f.Name(0), Reason: *reason})
	}
}

// requests shows rules, and what people asked for.
func requests(w io.Writer, m proto.Message) {
	switch m := m.(type) {
	case *v1.RuleView:
		rule(w, m)
	case *v1.ListRulesResponse:
		for i, r := range m.GetRules() {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", i+1, r.GetName(), r.GetKind(), ruleText(r))
		}
	case *v1.RequestView:
		requestView(w, m)
	case *v1.ListAllRequestsResponse:
		for _, r := range m.GetRequests() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s at %s\t%s\n", r.GetId(), r.GetState(), stamp(r.GetAsked()), r.GetAccount(), r.GetMachine(), r.GetSubject())
		}
		if m.GetMore() {
			fmt.Fprint(w, "There are more, which are older.\n")
		}
	}
}

// ruleText is a rule in a line.
func ruleText(r *v1.RuleView) string {
	s := r.GetEffect()
	if r.GetApprovers() != "" {
		s += fmt.Sprintf(" (%d of %s)", r.GetCount(), r.GetApprovers())
	}
	s += ", for " + cmp.Or(r.GetWho(), "everybody")
	s += " as " + cmp.Or(strings.Join(r.GetAccounts(), ", "), "anybody")
	s += " at " + cmp.Or(whichMachines(r.GetMachines(), r.GetTags()), "all machines")
	if before := whichMachines(r.GetThrough(), r.GetThroughTags()); before != "" {
		s += " only through " + before
	}
	if r.GetRole() != "" {
		s += " in the role " + r.GetRole()
	}
	return s
}

// whichMachines are those that a rule names; "" where it names none.
func whichMachines(names, tags []string) string {
	s := strings.Join(names, ", ")
	if len(tags) > 0 {
		s = strings.TrimPrefix(s+" or ", " or ") + "machines with the tag " + strings.Join(tags, " or ")
	}
	return s
}

func rule(w io.Writer, r *v1.RuleView) {
	fmt.Fprintf(w, "name\t%s\nkind\t%s\nrule\t%s\n", r.GetName(), r.GetKind(), ruleText(r))
	fmt.Fprintf(w, "forwarding\t%s\n", cmp.Or(strings.Join(r.GetForward(), " "), "none"))
	fmt.Fprintf(w, "authentication\tat most %s old", time.Duration(r.GetMaxAgeSeconds())*time.Second)
	if len(r.GetKinds()) > 0 {
		fmt.Fprintf(w, ", with %s", strings.Join(r.GetKinds(), " and "))
	}
	if r.GetPoints() > 0 {
		fmt.Fprintf(w, ", with %d points", r.GetPoints())
	}
	fmt.Fprintf(w, "\ngrant\topen for %s, each use counts for %s\n", time.Duration(r.GetGrantSeconds())*time.Second, time.Duration(r.GetUseSeconds())*time.Second)
	sessions := map[string]string{"keep": "go on", "tell": "are told", "end": "are ended"}[r.GetSessions()] + " when their grant is ended early"
	if r.GetEarn() {
		sessions += ", and earn strength-gated groups"
	}
	fmt.Fprintf(w, "sessions\t%s\n", sessions)
}

func requestView(w io.Writer, r *v1.RequestView) {
	fmt.Fprintf(w, "id\t%s\nstate\t%s\nsubject\t%s\nrole\t%s\n", r.GetId(), r.GetState(), r.GetSubject(), r.GetRole())
	fmt.Fprintf(w, "asked\t%s\tby %s at %s\t%s\n", stamp(r.GetAsked()), r.GetAccount(), r.GetMachine(), r.GetOrigin())
	fmt.Fprintf(w, "reason\t%s\nrules\t%s\n", r.GetReason(), strings.Join(r.GetRules(), " "))
	if r.GetUntil() != nil {
		fmt.Fprintf(w, "until\t%s\n", stamp(r.GetUntil()))
	}
	for _, n := range r.GetNeeds() {
		fmt.Fprintf(w, "approvals\t%d of %s\n", n.GetCount(), n.GetGroup())
	}
	for _, d := range r.GetDecisions() {
		fmt.Fprintf(w, "%s\tby %s\t%s\t%s\n", map[bool]string{true: "approved", false: "denied"}[d.GetApproved()], d.GetAccount(), stamp(d.GetAt()), d.GetReason())
	}
	if r.GetWhy() != "" {
		fmt.Fprintf(w, "why\t%s\n", r.GetWhy())
	}
}
