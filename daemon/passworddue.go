package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// passwordDue ends an account phase that is granted otherwise. A password that has to be
// changed is changed in the same login:
//
//	let in with              server            the account phase says
//	a password that is due   can be reached    NewPasswordNeeded: the host asks for a new one;
//	                                           and tells it
//	a password that is due   cannot            Granted, and tells it
//	no password (an ssh key, any               by password_due_with_key of the service: Granted;
//	a card, or nothing at                      the same as above; or NotPermitted, and tells it
//	all, as a job of cron)
//
// Only what this process proved counts, as root says it (see package proofs): a locker that a
// person runs lets in.
func (s *login) passwordDue(ctx context.Context) identity.Verdict {
	granted := identity.Verdict{Code: identity.Granted}
	if s.d.o.Provider.PasswordChanger == nil || s.Peer.UID != 0 {
		return granted
	}
	e := s.q.Entry
	if !s.isDue() {
		return granted
	}
	if !slices.Contains(s.letInWith(), identity.Password) {
		switch s.d.p.Services[s.Service].DueByKey {
		case policy.DueAsks:
		case policy.DueRefuses:
			return s.end(ctx, checks.Ruling{
				Code: identity.NotPermitted, Tell: true,
				Detail: "Your password must be changed. Until then " + s.Service + " takes nothing else.",
				Mend:   "Log in with the password.",
			})
		default:
			return granted
		}
	}
	out, told := granted, "Your password must be changed. Run passwd when online."
	if s.d.reachable(ctx, e.Account().Name) {
		// Some hosts ask for nothing then and refuse, as greetd does: this line is their reason.
		out, told = identity.Verdict{Code: identity.NewPasswordNeeded}, "Your password must be changed now."
	}
	if err := s.conv.Tell(ctx, identity.TellInfo, told); err != nil {
		return identity.Verdict{Code: identity.ConversationFailed}
	}
	return out
}

// letInWith is what this login proved or, in a later call of the same process or its
// family, what the authentication before it did.
func (s *login) letInWith() []identity.FactorKind {
	if len(s.proved) > 0 {
		return s.kinds()
	}
	return identity.Kinds(s.d.proofs.Sessions.Of(s.q.Entry.Account().UUID, s.Service, s.Process))
}

func (s *login) isDue() bool {
	now := s.d.Clock().Now()
	return slices.ContainsFunc(s.q.Entry.Factors(), func(f identity.Factor) bool { return f.Due(now) })
}

// explainPassword says whether, and from when on, a login by password asks for a new one.
func (d *Gate) explainPassword(e *directory.Entry, without policy.DueByKey) *report.PasswordLife {
	at := slices.IndexFunc(e.Factors(), func(f identity.Factor) bool { return f.ChangeBy != 0 })
	if at < 0 {
		return nil
	}
	f := e.Factors()[at]
	p := &report.PasswordLife{Due: f.Due(d.Clock().Now())}
	if p.Due {
		p.WithoutIt = [...]string{policy.DueLetsIn: "", policy.DueAsks: "ask", policy.DueRefuses: "refuse"}[without]
	}
	if f.ChangeBy != identity.ChangeNow {
		by := time.Unix(f.ChangeBy, 0)
		p.ChangeBy = &by
	}
	return p
}
