package request

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

// verdict is what the rules come to.
type verdict struct {
	// refused says why, for people; "" where nothing refuses.
	refused   string
	rules     []string
	maxAge    time.Duration
	demand    identity.Demand
	needs     []store.RequestNeed
	waitLife  time.Duration
	grantLife time.Duration
	useLife   time.Duration
	// sessions is what becomes of sessions when the grant is ended early. earn is that of the
	// last part: what is logged in to.
	sessions identity.OnEnd
	earn     bool
}

// judge judges each part by the first rule that matches it. Nothing is granted without one.
func judge(tx *store.Tx, kind string, asker store.Account, parts []Part) (verdict, error) {
	if len(parts) == 0 {
		return verdict{refused: "it is about nothing"}, nil
	}
	rules, err := tx.RequestRules()
	if err != nil {
		return verdict{}, fmt.Errorf("rules: %w", err)
	}
	groups, err := tx.GroupsOf(asker)
	if err != nil {
		return verdict{}, fmt.Errorf("groups: %w", err)
	}
	wait, err := tx.RequestWait()
	if err != nil {
		return verdict{}, fmt.Errorf("how long requests wait: %w", err)
	}
	v := verdict{waitLife: wait}
	for i, p := range parts {
		at := slices.IndexFunc(rules, func(r store.RequestRule) bool { return matches(r, kind, asker, groups, p) })
		if at < 0 {
			v.refuse(fmt.Sprintf("no rule of the realm lets %s do this: %s", asker.Name, p))
			continue
		}
		if rules[at].Effect != store.RuleRefuses && !reached(rules[at], p) {
			why, err := elsewhere(tx, rules[at], parts[i:])
			if err != nil {
				return verdict{}, err
			}
			v.refuse(why)
		}
		v.join(rules[at], asker, p)
		v.onSessions(rules[at], i == len(parts)-1)
	}
	return v, v.name(tx)
}

// name finds the names of the groups whose members must approve.
func (v *verdict) name(tx *store.Tx) error {
	for i := range v.needs {
		var err error
		if v.needs[i].Name, err = tx.GroupName(v.needs[i].Group); errors.Is(err, identity.ErrNotFound) {
			v.refuse("the group that must approve it is gone")
			return nil
		} else if err != nil {
			return fmt.Errorf("approvers: %w", err)
		}
	}
	return nil
}

func (v *verdict) refuse(why string) {
	if v.refused == "" {
		v.refused = why
	}
}

// matches tells whether a rule is about that part.
func matches(r store.RequestRule, kind string, asker store.Account, groups []identity.Group, p Part) bool {
	who := r.Everybody || r.Who != uuid.Nil && slices.ContainsFunc(groups, func(g identity.Group) bool { return g.UUID == r.Who })
	where := r.Everywhere || isOne(p.Machine, r.Machines, r.Tags)
	as := r.AnyAccount && r.Effect == store.RuleRefuses || r.Self && p.Account.UUID == asker.UUID || slices.Contains(r.Accounts, p.Account.UUID)
	return r.Kind == kind && who && where && as && (r.Role == "" || r.Role == p.Role)
}

// reached tells whether a part is reached the way that the rule demands. It is no condition
// by which a rule matches: another way must not fall through to a laxer rule.
func reached(r store.RequestRule, p Part) bool {
	if len(r.Through)+len(r.ThroughTags) == 0 {
		return true
	}
	return p.Before != nil && isOne(*p.Before, r.Through, r.ThroughTags)
}

// isOne tells whether a machine is one of these, or has one of the tags.
func isOne(m store.Machine, machines []uuid.UUID, tags []identity.Name) bool {
	return slices.Contains(machines, m.UUID) || slices.ContainsFunc(m.Tags, func(t identity.Name) bool { return slices.Contains(tags, t) })
}

// maxNamed is how many machines a message names.
const maxNamed = 3

// elsewhere says which way a rule demands of the first of these parts, before those behind it.
func elsewhere(tx *store.Tx, r store.RequestRule, rest []Part) (string, error) {
	is := rest[0].Machine.Name
	names, err := tx.MachineNames(r.Through, r.ThroughTags, maxNamed)
	if err != nil {
		return "", fmt.Errorf("through: %w", err)
	}
	if len(names) == 0 {
		return fmt.Sprintf("rule %q lets people reach %s only through machines of which there is none now: ask your administrator", r.Name, is), nil
	}
	said, way, target := string(names[0]), string(names[0]), rest[len(rest)-1]
	for _, n := range names[1:] {
		said += " or " + string(n)
	}
	for _, p := range rest[:len(rest)-1] {
		if p.Machine.Name != names[0] {
			way += "," + string(p.Machine.Name)
		}
	}
	return fmt.Sprintf("rule %q lets people reach %s only through %s: sallyport ssh -J %s %s", r.Name, is, said, way, target.Machine.Name), nil
}

// join adds what a rule wants of a part.
func (v *verdict) join(r store.RequestRule, asker store.Account, p Part) {
	if !slices.Contains(v.rules, string(r.Name)) {
		v.rules = append(v.rules, string(r.Name))
	}
	if r.Effect != store.RuleGrants && r.Effect != store.RuleAsks {
		v.refuse(fmt.Sprintf("rule %q refuses %s this: %s", r.Name, asker.Name, p))
		return
	}
	for _, word := range p.Forward {
		if !slices.Contains(r.Forward, word) {
			v.refuse(fmt.Sprintf("rule %q does not allow %s forwarding: %s", r.Name, word, p))
			return
		}
	}
	if r.Effect == store.RuleAsks {
		v.need(r)
	}
	v.maxAge = least(v.maxAge, r.MaxAge)
	v.grantLife, v.useLife = least(v.grantLife, r.GrantLife), least(v.useLife, r.UseLife)
	v.demand.Points = max(v.demand.Points, r.Demand.Points)
	for _, k := range r.Demand.Kinds {
		if !slices.Contains(v.demand.Kinds, k) {
			v.demand.Kinds = append(v.demand.Kinds, k)
		}
	}
}

// onSessions adds what a rule says of the sessions that begin with the grant.
func (v *verdict) onSessions(r store.RequestRule, last bool) {
	word, _ := identity.ParseOnEnd(string(r.Sessions))
	v.sessions = v.sessions.Stricter(word)
	v.earn = last && r.Earn
}

// need adds a need of approvals; of one group the greatest number counts.
func (v *verdict) need(r store.RequestRule) {
	count := max(r.Count, 1)
	if i := slices.IndexFunc(v.needs, func(n store.RequestNeed) bool { return n.Group == r.Approvers }); i >= 0 {
		v.needs[i].Count = max(v.needs[i].Count, count)
		return
	}
	v.needs = append(v.needs, store.RequestNeed{Group: r.Approvers, Count: count})
}

// least is the lesser of two times, of which the first may be absent.
func least(so, now time.Duration) time.Duration {
	if so == 0 {
		return now
	}
	return min(so, now)
}

// onto writes what the rules come to into the request.
func (v verdict) onto(r *store.Request) {
	r.Rules, r.MaxAge, r.Demand, r.Needs = v.rules, v.maxAge, v.demand, v.needs
	r.WaitLife, r.GrantLife, r.UseLife = v.waitLife, v.grantLife, v.useLife
	r.Sessions, r.Earn = v.sessions, v.earn
}

// proof is what a session token shows.
type proof struct {
	kinds                []identity.FactorKind
	authenticated, shown int64
}

func proofOf(s *identity.SessionToken, now time.Time) proof {
	return proof{kinds: s.Methods, authenticated: s.AuthenticatedAt, shown: now.Unix()}
}

func (p proof) onto(r *store.Request) {
	r.Proved, r.Authenticated, r.Shown = p.kinds, p.authenticated, p.shown
}

// proofIn is the proof that a request was judged with last.
func proofIn(r store.Request) proof { return proof{r.Proved, r.Authenticated, r.Shown} }

// comesTo tells what happens by the rules, with that proof and those decisions.
func (v verdict) comesTo(tx *store.Tx, p proof, r store.Request, now time.Time) (event, error) {
	if v.refused != "" {
		return refuses, nil
	}
	points, err := tx.Points()
	if err != nil {
		return 0, fmt.Errorf("points: %w", err)
	}
	if p.shown-p.authenticated > int64(v.maxAge/time.Second) || !v.demand.Met(points, p.kinds) {
		return asksProof, nil
	}
	for _, n := range v.needs {
		enough, err := approved(tx, n, r, now)
		if err != nil {
			return 0, err
		}
		if !enough {
			return waits, nil
		}
	}
	return grants, nil
}

// approved tells whether enough members of a group, who may decide now, have approved.
func approved(tx *store.Tx, n store.RequestNeed, r store.Request, now time.Time) (bool, error) {
	var count uint16
	for _, d := range r.Decisions {
		if !d.Approved {
			continue
		}
		yes, err := mayDecide(tx, n.Group, d.Account, r, now)
		if err != nil {
			return false, err
		}
		if yes {
			count++
		}
	}
	return count >= max(n.Count, 1), nil
}

// mayDecide tells whether an account may decide a request as a member of that group.
func mayDecide(tx *store.Tx, group, account uuid.UUID, r store.Request, now time.Time) (bool, error) {
	if account == r.Account || slices.Contains(r.Parties, account) {
		return false, nil
	}
	a, err := tx.Account(account)
	if errors.Is(err, identity.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("approver: %w", err)
	}
	if a.StandingAt(now) != identity.Good {
		return false, nil
	}
	yes, err := tx.IsMember(group, account)
	if err != nil {
		return false, fmt.Errorf("approver: %w", err)
	}
	return yes, nil
}
