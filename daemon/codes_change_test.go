package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestAMachineThatCouldNotRegisterItsKeySaysSo(t *testing.T) {
	h := newTestMachine(t)
	h.srv.refusesKey.Store(true)
	h.srv.set(t, token("alice", 1900000100), coded)
	h.online()
	found := ""
	for _, f := range h.status().Findings {
		if f.Check == "seal" {
			found = f.Detail
		}
	}
	if !strings.Contains(found, "does not know this machine's sealing key") {
		t.Fatalf("%+v", h.status().Findings)
	}
}

// Promise otp-same-offline.
func TestEnrollingDuringAnOfflineLoginCounts(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.lost()
	e := h.d.Directory().WithUUID(h.alice())
	_, r := h.d.mayOffline(bg, e)
	if r.Code != identity.Granted {
		t.Fatal(r)
	}
	tok := token("alice", 1900000100)
	tok.Revision, tok.Factors = 9, append(tok.Factors, identity.Factor{Kind: identity.TOTP, Epoch: 9})
	h.give(tok)
	h.expect(identity.Denied, "alice", "secret")
}

// Promise otp-password-change.
func TestAChangeOfPasswordProvesTheCodeToo(t *testing.T) {
	h := sealedHere(t)
	change := func(code string) identity.Code {
		conv := typing("longer", "longer", code)
		v := h.d.Decide(bg, identity.Login{Operation: identity.OpChangePassword, User: "alice", OldPass: identity.NewSecret([]byte("secret"))}, conv)
		if fmt.Sprint(conv.prompts) != "[New password:  Retype new password:  One-time code: ]" {
			t.Errorf("prompts %q", conv.prompts)
		}
		return v.Code
	}
	if c := change("000000x"); c != identity.PasswordMismatch {
		t.Fatal(c)
	}
	if c := change(""); c != identity.PasswordUnchanged {
		t.Fatal(c)
	}
	if c := change(h.code(0)); c != identity.Granted {
		t.Fatal(c)
	}
	h.later()
	h.lost()
	h.expect(identity.Denied, "alice", "secret", h.code(0))
	h.expect(identity.Granted, "alice", "longer", h.code(0))
}
