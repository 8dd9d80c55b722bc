package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Explain takes the steps of the account phase and writes them down. Root is told what to
// do; others whom to ask.
func (d *Gate) Explain(ctx context.Context, a report.ExplainArgs, root bool) report.Explanation {
	q := checks.Question{Typed: a.Name, Service: a.Service}
	x := report.Explanation{Name: a.Name, Service: a.Service}
	r := d.checks.Run(ctx, checks.Account(), &q, func(c checks.Check, r checks.Ruling) {
		f := report.Finding{Check: c.Name, Severity: severity(r.Code), Cause: string(r.Cause), Detail: r.Detail, Mend: r.Mend}
		if r.Cause != "" && root {
			f = r.Cause.Finding(r.Places...)
			f.Check, f.Severity = c.Name, severity(r.Code)
		}
		x.Steps = append(x.Steps, f)
	})
	x.MayLogin = r.Code == identity.Granted
	if q.Entry == nil || r.Code == identity.NotOurs {
		return x
	}
	account := d.Describe(q.Entry)
	x.Account = &account
	for _, f := range q.Entry.Factors() {
		x.Factors = append(x.Factors, string(f.Kind))
	}
	x.Password = d.explainPassword(q.Entry, d.p.Services[q.Service].DueByKey)
	x.Offline, x.Locked, x.Locks = d.explainOffline(ctx, q.Entry)
	x.CertificatesOnly = d.certificatesOnly()
	x.StepUp, x.Limits = d.explainStepUp(a.Service, q.Entry), d.explainLimits(q.Entry)
	// Who may not log in at all is not told what else is in the way offline.
	if r.Code != identity.Granted {
		x.Offline.Possible, x.Offline.Reason = false, r.Detail
	}
	return x
}

func (d *Gate) explainOffline(ctx context.Context, e *directory.Entry) (*report.Offline, *time.Time, []report.Lock) {
	_, r := d.mayOffline(ctx, e)
	a := d.checks.AgeOf(e)
	o := &report.Offline{Possible: r.Code == identity.Granted, LastChecked: &a.Checked}
	if !o.Possible {
		o.Reason = r.Detail
	}
	if a.Limit > 0 && a.Within {
		o.Left = report.FriendlyMore(a.Limit - a.Old)
	}
	if a.Limit > 0 {
		until := a.Checked.Add(a.Limit)
		o.Until = &until
	}
	all, err := d.o.Cache.AllFailures(ctx, e.Account().UUID)
	if err != nil {
		o.Possible, o.Reason = false, err.Error()
		return o, nil, nil
	}
	for _, f := range all {
		most := map[string]*int{lockout.Password: &o.Failures, lockout.Code: &o.CodeFailures, lockout.Card: &o.CardFailures, lockout.PIN: &o.PINFailures}[f.Kind]
		if most != nil && f.Origin != "" {
			*most = max(*most, int(f.Count))
		}
	}
	var locks []report.Lock
	for _, f := range d.tries.InForce(all) {
		locks = append(locks, report.Lock{Factor: f.Kind, Origin: f.Origin, Until: f.LockedUntil, Failures: int(f.Count)})
	}
	if len(locks) == 0 {
		return o, nil, nil
	}
	return o, &locks[0].Until, locks
}

// Describe is what status and explain show of an account.
func (d *Gate) Describe(e *directory.Entry) report.Account {
	a := report.Account{
		UUID: e.Account().UUID, Name: e.Account().Name, UID: e.Account().UID, GID: e.Account().GID,
		FullName: e.Account().FullName, Home: e.Account().Home, Shell: e.Account().Shell,
		State: e.State().String(), Keys: e.Keys(), Revision: e.Revision(), Groups: []identity.Name{},
	}
	for _, g := range d.Directory().GroupsOf(e) {
		a.Groups = append(a.Groups, g.Name)
	}
	return a
}

func severity(c identity.Code) report.Severity {
	switch c {
	case identity.Granted:
		return report.OK
	default:
		return report.Problem
	}
}

// explainStepUp is nil for a service that has no policy of its own.
func (d *Gate) explainStepUp(service string, e *directory.Entry) *report.StepUp {
	policy, has := d.p.Services[service]
	if !has {
		return nil
	}
	g := d.checks.GoalOf(e, policy)
	x := &report.StepUp{Required: policy.StepUp, Member: len(g.Missing) == 0, Demands: g.LeastDemands(), Proofs: []report.Proof{}}
	for _, o := range g.Required {
		x.Points = max(x.Points, int(o.Points))
	}
	if policy.StepUp {
		x.MaxAgeSeconds = int64(policy.ProofAge() / time.Second)
	}
	for _, v := range d.proofs.StepUps.Of(e.Account().UUID, d.lookBack()) {
		if policy.StepUp && policy.LooksAt(v.Session) && d.stale(policy, e, v.Proof) == "" {
			x.Proofs = append(x.Proofs, d.describeProof(e, v))
		}
	}
	return x
}

// explainLimits says what the server of an account cannot do, where that matters to
// this account: not all providers can do all, and then people see it here.
func (d *Gate) explainLimits(e *directory.Entry) []string {
	var list []string
	if _, watches := d.Capable(); !watches {
		list = append(list, "The server does not tell of changes: they are seen here at the next login, and within "+report.Friendly(d.p.RefreshEvery)+" while it can be reached.")
	}
	if d.certificatesOnly() && e.Keys() > 0 {
		list = append(list, "The realm has sshd here accept certificates only, so the ssh keys that it has stored are not accepted here: log in with \"sallyport ssh\" and the name of this machine.")
	}
	if d.staticEpoch() && e.OfflineFor() > 0 {
		list = append(list, "The server does not tell when a password changes: an old password works here offline until the server has refused it or accepted the new one.")
	}
	if _, held := e.Epoch(identity.TOTP); held && !d.codes.Given() {
		list = append(list, "The server gives no machine the secrets of one-time codes, so people with a code cannot log in offline.")
	}
	return list
}

// Unlock forgets what was counted against the account.
func (d *Gate) Unlock(ctx context.Context, e *directory.Entry) error {
	if err := d.tries.Clear(ctx, e.Account().UUID); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}
