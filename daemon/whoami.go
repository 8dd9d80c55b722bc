package daemon

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// handleDrop forgets proofs: root's word counts for anyone, others' for their own.
// Where somebody says they are is believed here, for they can only lose by it.
func (d *Daemon) handleDrop(peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.DropArgs
	if err := decode(args, &a); err != nil {
		return err
	}
	e, err := d.self(peer, a.Name)
	if err != nil {
		return err
	}
	n := d.proofs.StepUps.Forget(e.Account().UUID, func(at proofs.Place) bool { return a.Session == nil || within(at.Session, *a.Session) })
	return emit(report.Dropped{Proofs: n})
}

// within tells whether a proof was made in that login session: in the same place,
// or elsewhere in the same audited login.
func within(at, s identity.LoginSession) bool {
	return at == s || s.Audited() && at.Audit == s.Audit
}

// self finds the account that a peer may speak of: its own, or for root the named.
func (d *Daemon) self(peer identity.Peer, name string) (*directory.Entry, error) {
	if name == "" {
		if e := d.Directory().WithUID(peer.UID); e != nil {
			return e, nil
		}
		return nil, fmt.Errorf("uid %d is no account of the realm: %w", peer.UID, identity.ErrNotFound)
	}
	e, err := d.held(name)
	if peer.UID != 0 && (err != nil || e.Account().UID != peer.UID) {
		return nil, fmt.Errorf("%w: only root may do that for others", report.ErrForbidden)
	}
	return e, err
}

// handleWhoami tells people what they have proved where they are.
func (d *Daemon) handleWhoami(peer identity.Peer, args []byte, emit func(any) error) error {
	var a report.WhoamiArgs
	if err := decode(args, &a); err != nil {
		return err
	}
	e, err := d.self(peer, "")
	if err != nil {
		return err
	}
	w := report.Whoami{Account: d.describe(e), Session: a.Session}
	for _, g := range d.mustEarn(e) {
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
	return emit(w)
}

// lookBack is the earliest time that a proof may be of.
func (d *Daemon) lookBack() time.Duration {
	longest := time.Duration(0)
	for _, p := range d.p.Services {
		longest = max(longest, p.ProofAge())
	}
	return d.Clock().Boottime() - longest
}

// describeProof says what a proof is good for now.
func (d *Daemon) describeProof(e *directory.Entry, v proofs.Placed) report.Proof {
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

// explainStepUp is nil for a service that has no policy of its own.
func (d *Daemon) explainStepUp(service string, e *directory.Entry) *report.StepUp {
	policy, has := d.p.Services[service]
	if !has {
		return nil
	}
	g := d.goalOf(e, policy)
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
