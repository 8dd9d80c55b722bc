package daemon

import (
	"slices"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Promise pam-silent.
func TestASilentHostShowsReasonsAlone(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100, stuff), nil)
	h.online()
	for message, always := range map[string]bool{identity.Refused: false, "This account has expired.": true} {
		for _, silent := range []bool{false, true} {
			conv := typing()
			s := &login{Login: identity.Login{Silent: silent}, d: h.d.Gate, conv: conv, q: checks.Question{Entry: h.d.Directory().Named("alice")}}
			if v := s.refusedBy(bg, provider.Reply{Outcome: provider.Deny, Message: message}, identity.Password); v.Code != identity.Denied {
				t.Fatal(v.Code)
			}
			if told := slices.Contains(conv.told, message); told != (!silent || always) {
				t.Errorf("silent %t: told %q", silent, conv.told)
			}
		}
	}
}
