package daemon

import (
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/identity"
)

// A group that must be earned is told to nobody as a membership: a session gets its
// gid when it establishes credentials, if the authentication that let it in was as
// strong as the group demands. Package proofs says which authentication that was.

// rememberLogin remembers what was granted, for the session that is to follow.
func (s *login) rememberLogin() {
	if s.Peer.UID != 0 || !s.Process.Known() || len(s.proved) == 0 {
		return
	}
	s.d.proofs.Sessions.Add(s.q.Entry.Account().UUID, proofs.Login{Service: s.Service, Process: s.Process, At: s.d.Clock().Boottime(), Factors: s.proved})
}

// gatedGroups are the gids that this session gets.
func (s *login) gatedGroups() []uint32 {
	if s.Operation != identity.OpSetCredentials || s.Peer.UID != 0 {
		return nil
	}
	factors := s.d.proofs.Sessions.Take(s.q.Entry.Account().UUID, s.Service, s.Process, s.d.Clock().Boottime())
	if s.d.Directory().IsDisowned(s.q.Entry) || len(factors) == 0 || slices.ContainsFunc(factors, func(f identity.Factor) bool { return !s.q.Entry.Holds(f) }) {
		return nil
	}
	var gids []uint32
	for _, g := range s.d.gatedGroupsOf(s.q.Entry) {
		if g.Demand().Met(s.q.Entry.Points(), identity.Kinds(factors)) {
			gids = append(gids, g.GID)
		}
	}
	slices.Sort(gids)
	return gids
}

// gatedGroupsOf lists the account's groups that a session must earn, and that are served
// here at all: one that this machine has itself, or refuses, is nobody's.
func (d *Gate) gatedGroupsOf(e *directory.Entry) []identity.Group {
	l, err := d.Files().Now()
	if err != nil {
		return nil
	}
	var list []identity.Group
	for _, g := range d.Directory().GroupsOf(e) {
		if g.Earned && g.Problem() == "" && !l.HidesGroup(g.Group) {
			list = append(list, g.Group)
		}
	}
	return list
}
