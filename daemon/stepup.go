package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// checkService is a row of the decision: what the service demands beyond a login.
// Where it is not known what was proved, only membership is judged.
func checkService(d *Gate, _ context.Context, q *question) ruling {
	p, has := d.p.Services[q.service]
	if !has || len(p.Require)+len(p.Factors) == 0 && p.Points == 0 {
		return fine("the service demands no more than a login")
	}
	g := d.goalOf(q.e, p)
	if slices.Contains(g.Missing, uuid.Nil) {
		return ruling{
			code: identity.NotPermitted, tell: true,
			detail: q.service + " is for people of another realm here.",
			mend:   "Ask your administrator to name a group of this realm under [service." + q.service + "] require.",
		}
	}
	if len(g.Missing) > 0 {
		return ruling{
			code: identity.NotPermitted, tell: true,
			detail: fmt.Sprintf("%s is for members of a group here that this account is not in.", q.service),
			mend:   "Ask your administrator to add it to the group " + g.Missing[0].String() + ".",
		}
	}
	if q.methods != nil && !g.EnoughForService(q.methods) {
		return ruling{
			code: identity.NotPermitted, tell: true,
			detail: fmt.Sprintf("%s demands more than was proved: it takes %s.", q.service, g.Describe()),
			mend:   d.missingFactor(g, "Ask your administrator to enrol what is missing."),
		}
	}
	return fine("what the service demands: " + g.Describe())
}

// missingFactor says what to do about a demand that was not met: where the provider cannot
// ask for a kind that is named, its settings have to change.
func (d *Gate) missingFactor(g policy.Goal, otherwise string) string {
	l, ok := d.o.Provider.(provider.Limited)
	if !ok {
		return otherwise
	}
	for _, one := range slices.Concat(g.Required, g.Allowed) {
		for _, k := range one.Kinds {
			if why := l.Unprovable(k); why != "" {
				return why
			}
		}
	}
	return otherwise
}

// place is where this login's proof counts. It is known only when root says it:
// nothing is remembered of, or for, anyone else.
func (s *login) place() (proofs.Place, bool) {
	where := s.d.p.Services[s.Service].At(s.Session)
	at := proofs.Place{Account: s.q.e.Account().UUID, UID: s.q.e.Account().UID, Asker: s.RemoteUser, Session: where}
	return at, s.Peer.UID == 0 && s.Session.Known()
}

// steppingUp tells whether this is the proof anew of somebody who is signed in here.
func (s *login) steppingUp() bool {
	_, known := s.place()
	return s.d.p.Services[s.Service].StepUp && known
}

// stale says why a proof does not count any more; "" while it does.
func (d *Gate) stale(p policy.Service, e *directory.Entry, v proofs.Proof) string {
	for _, f := range v.Factors {
		if !e.Holds(f) {
			return "what was proved has changed since"
		}
	}
	if !d.goalOf(e, p).Met(v.Methods()) {
		return "more is demanded than was proved"
	}
	if v.Expires != 0 && d.Clock().Now().Unix() > v.Expires {
		return "the server's word for it has expired"
	}
	if old := d.Clock().Boottime() - v.At; old < 0 || old > p.ProofAge() {
		return "it is older than " + report.Friendly(p.ProofAge())
	}
	return ""
}

// remembered finds a proof that counts here and now.
func (s *login) remembered() bool {
	p := s.d.p.Services[s.Service]
	at, known := s.place()
	if !p.StepUp || !known {
		return false
	}
	v, found := s.d.proofs.StepUps.At(at)
	if !found || s.d.stale(p, s.q.e, v) != "" {
		return false
	}
	s.q.methods, s.proved = v.Methods(), v.Factors
	return true
}

// again tells whether a proof that is there answers the question: only while the
// checks grant what was proved, and it is still there after them.
func (s *login) again(ctx context.Context, checks ...check) bool {
	if !s.remembered() {
		return false
	}
	ok := s.d.ask(ctx, checks, &s.q, nil).code == identity.Granted && s.remembered()
	if !ok {
		s.q.methods, s.proved = nil, nil
	}
	return ok
}

// proving takes the proof anew, and remembers it where the service wants that.
func (s *login) proving(ctx context.Context) identity.Verdict {
	p := s.d.p.Services[s.Service]
	at, known := s.place()
	if !p.StepUp || !known {
		return s.prove(ctx)
	}
	w := s.d.proofs.StepUps.Begin(at)
	defer s.d.proofs.StepUps.Done(w)
	v := s.prove(ctx)
	if v.Code != identity.Granted {
		return v
	}
	// Without factors it proves nothing that could be judged later.
	if len(s.proved) > 0 {
		s.d.proofs.StepUps.Keep(w, proofs.Proof{Factors: s.proved, At: s.d.Clock().Boottime(), Expires: s.expires, Offline: s.away})
	}
	return v
}

// stepUp is the part of the account phase that demands a fresh proof. sudo comes
// here without an authentication while its own timestamp is valid, and where a
// rule says NOPASSWD: then the person is asked here.
func (s *login) stepUp(ctx context.Context) identity.Verdict {
	if !s.d.p.Services[s.Service].StepUp || s.byRoot() || s.again(ctx, rightChecks...) {
		return identity.Verdict{Code: identity.Granted}
	}
	v := s.proving(ctx)
	defer v.Password.Wipe() // nobody is handed it here
	switch v.Code {
	case identity.Granted:
		return identity.Verdict{Code: identity.Granted}
	case identity.Denied:
		// Hosts explain PAM_AUTH_ERR of the account phase by an account that is locked.
		return s.end(ctx, ruling{
			code: identity.NotPermitted, tell: true, detail: "That was not right, and " + s.Service + " demands a fresh proof.",
			mend: "Run the command again.",
		})
	default:
		return v
	}
}

// byRoot tells whether root itself asks, at this machine: whoever is root may
// become anybody without us. A name from elsewhere is no root of ours.
func (s *login) byRoot() bool {
	return s.Peer.UID == 0 && s.RemoteUser == "root" && s.RemoteHost == ""
}

// loggedOut forgets what was proved in a session that ends. The services of
// step-up open sessions of their own, for one command: theirs end nothing.
func (s *login) loggedOut() {
	if s.d.p.Services[s.Service].StepUp || s.Peer.UID != 0 {
		return
	}
	ends := s.Session
	s.d.proofs.StepUps.Forget(s.q.e.Account().UUID, func(at proofs.Place) bool {
		switch {
		case ends.Audited() && at.Session.Audit == ends.Audit:
			return true
		case ends.Terminal != 0:
			return at.Session.Terminal == ends.Terminal
		default:
			// Neither is known of the one that ends: it could be any of which neither is.
			return !ends.Audited() && !at.Session.Audited() && at.Session.Terminal == 0
		}
	})
}
