package daemon

import (
	"context"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// place is where this login's proof counts. It is known only when root says it:
// nothing is remembered of, or for, anyone else.
func (s *login) place() (proofs.Place, bool) {
	where := s.d.p.Services[s.Service].At(s.Session)
	at := proofs.Place{Account: s.q.Entry.Account().UUID, UID: s.q.Entry.Account().UID, Asker: s.RemoteUser, Session: where}
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
	if !d.checks.GoalOf(e, p).Met(v.Methods()) {
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
	if !found || s.d.stale(p, s.q.Entry, v) != "" {
		return false
	}
	s.q.Methods, s.proved = v.Methods(), v.Factors
	return true
}

// again tells whether a proof that is there answers the question: only while the
// checks grant what was proved, and it is still there after them.
func (s *login) again(ctx context.Context, checks ...checks.Check) bool {
	if !s.remembered() {
		return false
	}
	ok := s.d.checks.Run(ctx, checks, &s.q, nil).Code == identity.Granted && s.remembered()
	if !ok {
		s.q.Methods, s.proved = nil, nil
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
	if !s.d.p.Services[s.Service].StepUp || s.byRoot() || s.again(ctx, checks.Access()...) {
		return identity.Verdict{Code: identity.Granted}
	}
	v := s.proving(ctx)
	defer v.Password.Wipe() // nobody is handed it here
	switch v.Code {
	case identity.Granted:
		return identity.Verdict{Code: identity.Granted}
	case identity.Denied:
		// Hosts explain PAM_AUTH_ERR of the account phase by an account that is locked.
		return s.end(ctx, checks.Ruling{
			Code: identity.NotPermitted, Tell: true, Detail: "That was not right, and " + s.Service + " demands a fresh proof.",
			Mend: "Run the command again.",
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
	s.d.proofs.StepUps.Forget(s.q.Entry.Account().UUID, func(at proofs.Place) bool {
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
