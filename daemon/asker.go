package daemon

import (
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
)

// Who may ask, by the kernel's word of the host program:
//
//	peer                                    about            what
//	root                                    anyone           everything
//	a local user that the service trusts    anyone           authentication and account check
//	anyone                                  their own uid    everything
//
// What a trusted user asks is counted as its own wrong answers, never as root's; its
// people are told no reason before they proved something, as over ssh; no card is asked
// for and no proof is remembered. Nothing can be stepped up by it.

// mayAsk judges who asks about the account that the question found.
func (s *login) mayAsk() checks.Ruling {
	if s.Peer.UID == 0 || s.Peer.UID == s.q.Entry.Account().UID || s.d.trusts(&s.Login) {
		return checks.Fine("")
	}
	return checks.Ruling{Code: identity.NotPermitted, Detail: "Only root may ask for another's account."}
}

// trusts tells whether the peer may ask about others here.
func (d *Gate) trusts(l *identity.Login) bool {
	p := d.p.Services[l.Service]
	if l.Operation != identity.OpAuthenticate && l.Operation != identity.OpAccount || l.Peer.UID == 0 || p.StepUp || len(p.TrustedUsers) == 0 {
		return false
	}
	return d.Files().IsUser(l.Peer.UID, p.TrustedUsers)
}
