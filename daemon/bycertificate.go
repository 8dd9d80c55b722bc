package daemon

import (
	"context"
	"errors"

	"github.com/sallyport-auth/sallyport/daemon/hops"
	"github.com/sallyport-auth/sallyport/identity"
)

// sshd lets people in by certificates that it asked this daemon about. When it opens the
// session it says which one it was, and so it is known which session goes by which grant:
//
//	what sshd authenticated by           what follows
//	no certificate of the realm for      nothing
//	this account at this machine
//	one that is good                     the session is its grant's (package hops); and if its
//	                                     rule says so, the session earns groups by what its
//	                                     request was proved with
//	one whose grant was ended, or whose  the session is its grant's, and ends with it if the
//	time is over, since sshd asked       rule says so; it earns nothing
//
// A session is not refused here: sshd opens it all the same. Only root's sshd is believed.

// sshd is the service that certificates are shown to.
const sshd = "sshd"

// byCertificate notes by which certificate sshd let this person in. It is root who asks.
func (s *login) byCertificate(ctx context.Context) {
	if s.Service != sshd || s.AuthInfo == "" || !s.Process.Known() {
		return
	}
	a := s.q.Entry.Account()
	c, err := s.d.hops.Shown(a.UUID, s.AuthInfo)
	if errors.Is(err, hops.ErrNone) {
		return
	}
	if err != nil {
		s.d.log.WarnContext(ctx, "it is not known which grant an ssh session goes by", "account", s.User, "error", err)
		return
	}
	s.d.o.Book.Begin(hops.Session{PID: s.Process.PID, Started: s.Process.Started, UID: a.UID, Request: c.Request, OnEnd: c.OnEnd})
	// The child that becomes the person asks for its groups after this.
	if s.proved = s.stillHeld(c.Proved); len(s.proved) > 0 {
		s.rememberLogin()
	}
}

// stillHeld are the factors of those kinds, if the account holds all of them today.
func (s *login) stillHeld(kinds []identity.FactorKind) []identity.Factor {
	var list []identity.Factor
	for _, k := range kinds {
		epoch, held := s.q.Entry.Epoch(k)
		if !held {
			return nil
		}
		list = append(list, identity.Factor{Kind: k, Epoch: epoch})
	}
	return list
}
