package daemon

import (
	"context"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// passwordDue ends an account phase that is granted otherwise. A password that has to be
// changed is changed in the same login:
//
//	let in with              server            the account phase says
//	a password that is due   can be reached    NewPasswordNeeded: the host asks for a new one;
//	                                           and tells it
//	a password that is due   cannot            Granted, and tells it
//	no password (an ssh key) any               Granted
//
// Only what this process proved counts, as root says it (see earnings): a locker that a
// person runs lets in.
func (s *login) passwordDue(ctx context.Context) identity.Verdict {
	granted := identity.Verdict{Code: identity.Granted}
	if _, ok := s.d.o.Provider.(provider.PasswordChanger); !ok || s.Peer.UID != 0 {
		return granted
	}
	e, now := s.q.e, s.d.Clock().Now()
	if !slices.ContainsFunc(e.Factors(), func(f identity.Factor) bool { return f.Due(now) }) {
		return granted
	}
	with := s.proved
	if len(with) == 0 {
		with = s.d.earnings.of(e.Account().UUID, s.Service, s.Process)
	}
	if !slices.Contains(identity.Kinds(with), identity.Password) {
		return granted
	}
	out, told := granted, "Your password must be changed. Run passwd when the server can be reached."
	if s.d.reachable(ctx, e.Account().Name) {
		// Some hosts ask for nothing then and refuse, as greetd does: this line is their reason.
		out, told = identity.Verdict{Code: identity.NewPasswordNeeded}, "Your password must be changed now."
	}
	if err := s.conv.Tell(ctx, identity.TellInfo, told); err != nil {
		return identity.Verdict{Code: identity.ConversationFailed}
	}
	return out
}
