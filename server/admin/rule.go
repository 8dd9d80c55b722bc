package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits and defaults of rules.
const (
	maxApprovers = 16
	maxAge       = 8 * time.Hour // that of a session token
	minAge       = 30 * time.Second
	grantLife    = time.Hour
	minGrant     = time.Minute
	maxGrant     = 7 * 24 * time.Hour
	useLife      = 5 * time.Minute
	minUse       = time.Minute
	maxUse       = 15 * time.Minute
	maxRuleList  = 64 // machines, tags, accounts
	// self is the word for the asker's own account.
	self = "self"
)

// AddRule implements AdminService.
func (s *Admin) AddRule(ctx context.Context, req *v1.AddRuleRequest) (*v1.RuleView, error) {
	var view *v1.RuleView
	name := req.GetRule().GetName()
	err := s.change(ctx, "rule.add", name, ruleDetail(req.GetRule(), req.GetBefore()), func(tx *store.Tx) error {
		r, err := ruleOf(tx, req.GetRule())
		if err != nil {
			return err
		}
		if err := tx.AddRequestRule(r, identity.Name(req.GetBefore())); err != nil {
			return err
		}
		view, err = ruleView(tx, r)
		return err
	})
	return view, err
}

// ruleDetail is what the audit log has of a rule.
func ruleDetail(v *v1.RuleView, before string) string {
	return fmt.Sprintf("kind=%s who=%s machines=%q tags=%q role=%s accounts=%q forward=%q effect=%s approvers=%s count=%d max_age=%d kinds=%q points=%d grant=%d use=%d through=%q through_tags=%q sessions=%s earn=%v before=%s",
		v.GetKind(), v.GetWho(), strings.Join(v.GetMachines(), " "), strings.Join(v.GetTags(), " "), v.GetRole(), strings.Join(v.GetAccounts(), " "),
		strings.Join(v.GetForward(), " "), v.GetEffect(), v.GetApprovers(), v.GetCount(), v.GetMaxAgeSeconds(), strings.Join(v.GetKinds(), " "),
		v.GetPoints(), v.GetGrantSeconds(), v.GetUseSeconds(), strings.Join(v.GetThrough(), " "), strings.Join(v.GetThroughTags(), " "), v.GetSessions(), v.GetEarn(), before)
}

func inputError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{realm.ErrInput}, args...)...)
}

// ruleOf makes a rule of what an administrator says.
func ruleOf(tx *store.Tx, v *v1.RuleView) (store.RequestRule, error) {
	r := store.RequestRule{Kind: v.GetKind(), Effect: store.RuleEffect(v.GetEffect()), Role: v.GetRole(), Forward: slices.Clone(v.GetForward())}
	if r.Kind == "" {
		r.Kind = "ssh"
	}
	var err error
	if r.Name, err = identity.ParseShortName(v.GetName()); err != nil {
		return r, err
	}
	if r.Role != "" {
		if _, err := identity.ParseShortName(r.Role); err != nil {
			return r, inputError("role %q: %w", identity.Printable(r.Role), err)
		}
	}
	for _, w := range r.Forward {
		if w != "local" && w != "remote" && w != "x11" {
			return r, inputError("%q is not one of the words for forwarding: local, remote, x11", identity.Printable(w))
		}
	}
	for _, part := range []func(*store.Tx, *v1.RuleView, *store.RequestRule) error{ruleKind, ruleWho, ruleWhere, ruleThrough, ruleAccounts, ruleEffect, ruleProof, ruleTimes, ruleSessions} {
		if err := part(tx, v, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

func ruleKind(_ *store.Tx, _ *v1.RuleView, r *store.RequestRule) error {
	if r.Kind != "ssh" {
		return inputError("the kind %q: there is \"ssh\"", identity.Printable(r.Kind))
	}
	return nil
}

func ruleGroup(tx *store.Tx, name string) (uuid.UUID, error) {
	g, err := groupNamed(tx, name)
	if errors.Is(err, identity.ErrNotFound) {
		return uuid.Nil, inputError("there is no group %q", name)
	}
	return g.UUID, err
}

func ruleWho(tx *store.Tx, v *v1.RuleView, r *store.RequestRule) (err error) {
	if r.Everybody = v.GetWho() == ""; r.Everybody {
		return nil
	}
	r.Who, err = ruleGroup(tx, v.GetWho())
	return err
}

func ruleWhere(tx *store.Tx, v *v1.RuleView, r *store.RequestRule) (err error) {
	r.Machines, r.Tags, err = ruleMachines(tx, v.GetMachines(), v.GetTags())
	r.Everywhere = len(r.Machines)+len(r.Tags) == 0
	return err
}

func ruleThrough(tx *store.Tx, v *v1.RuleView, r *store.RequestRule) (err error) {
	if r.Effect == store.RuleRefuses && len(v.GetThrough())+len(v.GetThroughTags()) > 0 {
		return inputError("a rule that refuses does so by every way: --through and --through-tags are for rules with another effect")
	}
	r.Through, r.ThroughTags, err = ruleMachines(tx, v.GetThrough(), v.GetThroughTags())
	return err
}

// ruleMachines finds the machines that a rule names, and reads its tags.
func ruleMachines(tx *store.Tx, names, words []string) (machines []uuid.UUID, tags []identity.Name, err error) {
	if len(names) > maxRuleList || len(words) > maxRuleList {
		return nil, nil, inputError("%d is the most of machines and of tags in one rule: give the machines a tag", maxRuleList)
	}
	for _, name := range names {
		m, err := tx.MachineByName(identity.Name(name))
		if errors.Is(err, identity.ErrNotFound) {
			return nil, nil, inputError("there is no machine %q", identity.Printable(name))
		}
		if err != nil {
			return nil, nil, err
		}
		machines = append(machines, m.UUID)
	}
	for _, word := range words {
		tag, err := identity.ParseShortName(word)
		if err != nil {
			return nil, nil, inputError("tag: %w", err)
		}
		tags = append(tags, tag)
	}
	return machines, tags, nil
}

func ruleAccounts(tx *store.Tx, v *v1.RuleView, r *store.RequestRule) error {
	if len(v.GetAccounts()) > maxRuleList {
		return inputError("%d is the most of accounts in one rule", maxRuleList)
	}
	for _, name := range v.GetAccounts() {
		if name == self {
			r.Self = true
			continue
		}
		a, err := named(tx, name)
		if errors.Is(err, identity.ErrNotFound) {
			return inputError("there is no account %q", identity.Printable(name))
		}
		if err != nil {
			return err
		}
		r.Accounts = append(r.Accounts, a.UUID)
	}
	if len(v.GetAccounts()) == 0 {
		r.AnyAccount = r.Effect == store.RuleRefuses
		r.Self = !r.AnyAccount
	}
	return nil
}

func ruleEffect(tx *store.Tx, v *v1.RuleView, r *store.RequestRule) (err error) {
	switch r.Effect {
	case store.RuleGrants, store.RuleRefuses:
		if v.GetApprovers() != "" || v.GetCount() != 0 {
			return inputError("approvers are for rules with the effect \"approve\"")
		}
		return nil
	case store.RuleAsks:
		if v.GetApprovers() == "" {
			return inputError("who must approve? Name a group of approvers")
		}
		if v.GetCount() > maxApprovers {
			return inputError("%d approvers, and %d is the most", v.GetCount(), maxApprovers)
		}
		r.Count = uint16(max(v.GetCount(), 1)) //nolint:gosec // at most 16
		r.Approvers, err = ruleGroup(tx, v.GetApprovers())
		return err
	default:
		return inputError("the effect %q: there are \"grant\", \"approve\" and \"refuse\"", identity.Printable(v.GetEffect()))
	}
}

func ruleProof(_ *store.Tx, v *v1.RuleView, r *store.RequestRule) error {
	kinds, err := demanded(v.GetKinds())
	if err != nil {
		return err
	}
	points, err := groupPoints(v.GetPoints())
	if err != nil {
		return err
	}
	r.Demand = identity.Demand{Kinds: kinds, Points: points}
	return nil
}

func ruleTimes(_ *store.Tx, v *v1.RuleView, r *store.RequestRule) error {
	for _, t := range []struct {
		what                     string
		is                       uint32
		into                     *time.Duration
		otherwise, least, atMost time.Duration
	}{
		{"the age of the authentication", v.GetMaxAgeSeconds(), &r.MaxAge, maxAge, minAge, maxAge},
		{"the life of a grant", v.GetGrantSeconds(), &r.GrantLife, grantLife, minGrant, maxGrant},
		{"the life of one use", v.GetUseSeconds(), &r.UseLife, useLife, minUse, maxUse},
	} {
		*t.into = time.Duration(t.is) * time.Second
		if t.is == 0 {
			*t.into = t.otherwise
		}
		if *t.into < t.least || *t.into > t.atMost {
			return inputError("%s is %s: it can be %s to %s", t.what, *t.into, t.least, t.atMost)
		}
	}
	return nil
}

func ruleSessions(_ *store.Tx, v *v1.RuleView, r *store.RequestRule) error {
	var known bool
	if r.Sessions, known = identity.ParseOnEnd(v.GetSessions()); !known {
		return inputError("%q for sessions: there are \"keep\", \"tell\" and \"end\"", identity.Printable(v.GetSessions()))
	}
	if r.Earn = v.GetEarn(); r.Earn && r.Effect == store.RuleRefuses {
		return inputError("what is refused earns nothing")
	}
	return nil
}

// ruleView shows a rule, by the names that there are now.
func ruleView(tx *store.Tx, r store.RequestRule) (*v1.RuleView, error) {
	v := &v1.RuleView{
		Name: string(r.Name), Kind: r.Kind, Role: r.Role, Forward: r.Forward, Effect: string(r.Effect), Count: uint32(r.Count),
		MaxAgeSeconds: seconds(r.MaxAge), Kinds: realm.Words(r.Demand.Kinds), Points: uint32(r.Demand.Points),
		GrantSeconds: seconds(r.GrantLife), UseSeconds: seconds(r.UseLife), Tags: store.Tags(r.Tags).Strings(),
		ThroughTags: store.Tags(r.ThroughTags).Strings(),
		Sessions:    string(cmp.Or(r.Sessions, identity.TellSessions)), Earn: r.Earn,
	}
	var err error
	name := func(is bool, id uuid.UUID, find func(uuid.UUID) (identity.Name, error)) string {
		if !is || err != nil {
			return ""
		}
		var n identity.Name
		if n, err = find(id); errors.Is(err, identity.ErrNotFound) {
			n, err = identity.Name("(removed: "+id.String()+")"), nil
		}
		return string(n)
	}
	v.Who = name(!r.Everybody, r.Who, tx.GroupName)
	v.Approvers = name(r.Effect == store.RuleAsks, r.Approvers, tx.GroupName)
	machine := func(id uuid.UUID) (identity.Name, error) {
		m, err := tx.Machine(id)
		return m.Name, err
	}
	for _, id := range r.Machines {
		v.Machines = append(v.Machines, name(true, id, machine))
	}
	for _, id := range r.Through {
		v.Through = append(v.Through, name(true, id, machine))
	}
	if r.Self {
		v.Accounts = append(v.Accounts, self)
	}
	for _, id := range r.Accounts {
		v.Accounts = append(v.Accounts, name(true, id, func(id uuid.UUID) (identity.Name, error) {
			a, err := tx.Account(id)
			return a.Name, err
		}))
	}
	return v, err
}

func seconds(d time.Duration) uint32 {
	return uint32(d / time.Second) //nolint:gosec // at most a week
}

// ListRules implements AdminService.
func (s *Admin) ListRules(ctx context.Context, _ *v1.ListRequest) (*v1.ListRulesResponse, error) {
	var resp *v1.ListRulesResponse
	err := s.read(ctx, "list", "rules", func(tx *store.Tx) (err error) {
		resp, err = rules(tx)
		return err
	})
	return resp, err
}

func rules(tx *store.Tx) (*v1.ListRulesResponse, error) {
	resp := &v1.ListRulesResponse{}
	list, err := tx.RequestRules()
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		v, err := ruleView(tx, r)
		if err != nil {
			return nil, err
		}
		resp.Rules = append(resp.Rules, v)
	}
	return resp, nil
}

// RemoveRule implements AdminService.
func (s *Admin) RemoveRule(ctx context.Context, req *v1.NameRequest) (*v1.Done, error) {
	return &v1.Done{}, s.change(ctx, "rule.remove", req.GetName(), "", func(tx *store.Tx) error {
		return tx.RemoveRequestRule(identity.Name(req.GetName()))
	})
}

// MoveRule implements AdminService.
func (s *Admin) MoveRule(ctx context.Context, req *v1.MoveRuleRequest) (*v1.ListRulesResponse, error) {
	var resp *v1.ListRulesResponse
	err := s.change(ctx, "rule.move", req.GetName(), fmt.Sprintf("before=%q", req.GetBefore()), func(tx *store.Tx) (err error) {
		if err := tx.MoveRequestRule(identity.Name(req.GetName()), identity.Name(req.GetBefore())); err != nil {
			return err
		}
		resp, err = rules(tx)
		return err
	})
	return resp, err
}
