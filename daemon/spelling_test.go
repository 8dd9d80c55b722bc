package daemon

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// Promise 18.
func TestAnotherSpellingFindsAndDoesNotLogIn(t *testing.T) {
	h := newTestMachine(t)
	tok := token("alice", 1900000100, stuff)
	tok.SSHKeys = []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}}
	h.srv.set(t, tok, nil)
	h.online()
	for _, typed := range []string{"ALICE", "Alice", "alice@" + realm, "ALICE@EXAMPLE.ORG"} {
		t.Run(typed, func(t *testing.T) {
			if a, err := h.d.AccountByName(bg, typed); err != nil || a.Name != "alice" {
				t.Errorf("found %v, %v", a.Name, err)
			}
			conv := h.expect(identity.Denied, typed, "secret")
			if len(conv.prompts) != 1 || len(conv.told) != 1 || !strings.HasSuffix(conv.told[0], "Sign in as alice.") {
				t.Errorf("prompts %q, told %q", conv.prompts, conv.told)
			}
			// Whoever cannot prove to be alice does not learn that there is one.
			if conv := h.expect(identity.Denied, typed, "wrong"); strings.Contains(strings.Join(conv.told, " "), "alice") {
				t.Errorf("told %q", conv.told)
			}
			for _, op := range []identity.Operation{identity.OpAccount, identity.OpOpenSession, identity.OpSetCredentials} {
				if c := h.phase(op, typed); c != identity.NotPermitted {
					t.Errorf("%s: %s", op, c)
				}
			}
			if keys, err := h.d.KeysFor(bg, identity.Peer{}, typed); err != nil || len(keys) != 0 {
				t.Errorf("keys %v, %v", keys, err)
			}
			x := h.d.explain(bg, report.ExplainArgs{Name: typed, Service: "login"}, true)
			if last := x.Steps[len(x.Steps)-1]; x.MayLogin || last.Check != "spelling" || last.Mend != "Sign in as alice." {
				t.Errorf("explain says %+v", last)
			}
		})
	}
	h.expect(identity.Granted, "alice", "secret")
	h.lost()
	h.expect(identity.Denied, "ALICE", "secret")
	h.expect(identity.Granted, "alice", "secret")
	if keys, err := h.d.KeysFor(bg, identity.Peer{}, "alice"); err != nil || len(keys) != 1 {
		t.Errorf("her own name has keys %v, %v", keys, err)
	}
}
