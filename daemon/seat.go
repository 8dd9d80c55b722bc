package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// atReader tells whether the person may be at the card reader: whoever is not must
// neither be asked for a PIN nor be able to use up the card's tries. su and sudo name
// no remote host, so it goes by who runs the host program.
//
//	first row that fits                                  at the reader
//	the host program names a remote host                 no
//	logind says that the caller's session is remote      no
//	the origin is the seat: a console or a greeter       yes
//	the origin is the account itself                     yes
//	else: another user, root, nobody knows               no
func (s *login) atReader() bool {
	o := s.Origin()
	if o.Remote() || s.d.remoteSession(s.Session.Audit) {
		return false
	}
	a := &s.q.e.account
	return o.AtSeat() || o.OfUser(a.UID, a.Name)
}

// remoteSession asks logind, whose sessions have the kernel's audit session as their
// name, whether one is remote. The files are logind's own and may change, so they can
// only take away: without one, or in another form, the other rows decide.
func (d *Daemon) remoteSession(audit uint32) bool {
	if d.o.Sessions == "" || audit == 0 || audit == identity.NoAuditSession {
		return false
	}
	text, err := os.ReadFile(filepath.Join(d.o.Sessions, strconv.FormatUint(uint64(audit), 10)))
	return err == nil && slices.Contains(strings.Split(string(text), "\n"), "REMOTE=1")
}
