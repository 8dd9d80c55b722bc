package daemon

import (
	"maps"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Drop forgets what the account proved in that session, nil meaning all, and tells how many
// proofs there were.
func (d *Gate) Drop(e *directory.Entry, session *identity.LoginSession) int {
	d.proofs.Tokens.Forget(e.Account().UUID)
	return d.proofs.StepUps.Forget(e.Account().UUID, func(at proofs.Place) bool { return session == nil || within(at.Session, *session) })
}

// within tells whether a proof was made in that login session: in the same place,
// or elsewhere in the same audited login.
func within(at, s identity.LoginSession) bool {
	return at == s || s.Audited() && at.Audit == s.Audit
}

// Whoami says what the account has proved where its owner is.
func (d *Gate) Whoami(e *directory.Entry, a report.WhoamiArgs) report.Whoami {
	w := report.Whoami{Account: d.Describe(e), Session: a.Session}
	for _, g := range d.gatedGroupsOf(e) {
		w.Account.Groups = slices.DeleteFunc(w.Account.Groups, func(n identity.Name) bool { return n == g.Name })
		// Where somebody says they have it is believed here: it is for their own eyes.
		w.Earned = append(w.Earned, report.EarnedGroup{
			Name: g.Name, GID: g.GID, Here: slices.Contains(a.Groups, g.GID),
			Takes: policy.Goal{Table: e.Points(), Required: []identity.Demand{g.Demand()}}.Describe(),
		})
	}
	for _, v := range d.proofs.StepUps.Of(e.Account().UUID, d.lookBack()) {
		if here := (policy.Service{WholeSession: true}).At(a.Session); v.Session != a.Session && v.Session != here {
			continue
		}
		p := d.describeProof(e, v)
		w.Proofs = append(w.Proofs, p)
	}
	return w
}

// lookBack is the earliest time that a proof may be of.
func (d *Gate) lookBack() time.Duration {
	longest := time.Duration(0)
	for _, p := range d.p.Services {
		longest = max(longest, p.ProofAge())
	}
	return d.Clock().Boottime() - longest
}

// describeProof says what a proof is good for now.
func (d *Gate) describeProof(e *directory.Entry, v proofs.Placed) report.Proof {
	old := max(d.Clock().Boottime()-v.At, 0)
	now := d.Clock().Now()
	p := report.Proof{
		At: now.Add(-old).UTC().Round(time.Second), Offline: v.Offline, Asker: v.Asker, Session: v.Session,
		Groups: []identity.Name{}, Services: []report.ServiceProof{},
	}
	for _, k := range v.Methods() {
		p.Factors = append(p.Factors, string(k))
	}
	for _, g := range d.Directory().GroupsOf(e) {
		if (len(g.Demands) > 0 || g.Points > 0 || g.Earned) && g.Demand().Met(e.Points(), v.Methods()) {
			p.Groups = append(p.Groups, g.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.p.Services)) {
		policy := d.p.Services[name]
		if !policy.StepUp || !policy.LooksAt(v.Session) {
			continue
		}
		s := report.ServiceProof{Service: name, Reason: d.stale(policy, e, v.Proof)}
		if s.Reason == "" {
			until := now.Add(policy.ProofAge() - old)
			if v.Expires != 0 && time.Unix(v.Expires, 0).Before(until) {
				until = time.Unix(v.Expires, 0)
			}
			until = until.UTC().Round(time.Second)
			s.Until = &until
		}
		p.Services = append(p.Services, s)
	}
	return p
}
