package daemon

import (
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
)

// explainLimits says what the server of an account cannot do, where that matters to
// this account: not all providers can do all, and then people see it here.
func (d *Daemon) explainLimits(e *directory.Entry) []string {
	var list []string
	if _, watches := d.Capable(); !watches {
		list = append(list, "The server does not tell of changes: they are seen here at the next login, and within "+friendly(d.p.RefreshEvery)+" while it can be reached.")
	}
	if d.untold() && e.OfflineFor() > 0 {
		list = append(list, "Nor does it tell when a password changes: an old one works here offline until the server has refused it or accepted the new one.")
	}
	if _, held := e.Epoch(identity.TOTP); held && !d.givesCodes() {
		list = append(list, "It gives no machine what codes are checked with, so nobody with a one-time code can log in without it.")
	}
	return list
}
