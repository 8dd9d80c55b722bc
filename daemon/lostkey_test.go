package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
)

// losesItsKey is a machine that starts with another sealing key than it had.
func (h *testMachine) losesItsKey() {
	h.t.Helper()
	h.stop()
	must(h.t, os.Remove(filepath.Join(h.dir, "seal.key")))
	h.start()
}

func (h *testMachine) explained() (x report.Explanation) {
	h.t.Helper()
	must(h.t, h.d.Handle(bg, identity.Peer{}, report.VerbExplain, []byte(`{"name":"alice"}`), func(v any) error { x = v.(report.Explanation); return nil }))
	return x
}

// finds tells whether status has a finding of that check.
func (h *testMachine) finds(check string, s report.Severity) bool {
	for _, f := range h.status().Findings {
		if f.Check == check && f.Severity == s {
			return true
		}
	}
	return false
}

// Promise seal-named-key.
func TestALostSealingKeyIsNoWrongPassword(t *testing.T) {
	h := remembered(t, nil)
	h.losesItsKey()
	h.lostAgain()
	for range 2 * h.d.p.OfflineTries {
		if c := h.expect(identity.Denied, "alice", "secret"); !strings.Contains(strings.Join(c.told, " "), "log in once") {
			t.Fatalf("told %q", c.told)
		}
	}
	x := h.explained()
	if x.Offline == nil || x.Offline.Possible || x.Offline.Failures != 0 || len(x.Locks) != 0 {
		t.Errorf("%+v", x.Offline)
	}
	h.srv.be(up)
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	h.expect(identity.Granted, "alice", "secret") // one login online
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
	if x := h.explained(); !x.Offline.Possible {
		t.Errorf("%+v", x.Offline)
	}
}

// TestAVerifierOfNoNamedKeyIsRenewed: an older release did not say which key it was.
// Promise seal-named-key.
func TestAVerifierOfNoNamedKeyIsRenewed(t *testing.T) {
	h := remembered(t, nil)
	v := h.verifierOfAlice()
	v.Key = nil
	must(t, h.cache.PutVerifier(bg, v))
	h.expect(identity.Granted, "alice", "secret")
	h.losesItsKey()
	h.srv.be(up)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
	if len(h.verifierOfAlice().Key) == 0 {
		t.Error("the key is not named")
	}
}

// Promise seal-named-key.
func TestALostSealingKeyIsNoWrongCode(t *testing.T) {
	h := sealedHere(t)
	h.losesItsKey()
	h.online()
	h.lost()
	if c := h.expect(identity.Denied, "alice", "secret", h.code(0)); !strings.Contains(strings.Join(c.told, " "), "log in once") {
		t.Errorf("told %q", c.told)
	}
	if x := h.explained(); x.Offline.Possible || x.Offline.CodeFailures != 0 {
		t.Errorf("%+v", x.Offline)
	}
	h.srv.be(up)
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	h.later()
	h.lost()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
}

// TestACodeSealedToAnotherKeyIsNotKept: a copy of this machine's disk has told the server
// a key of its own.
// Promise otp-wrong-seal.
func TestACodeSealedToAnotherKeyIsNotKept(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), coded)
	h.online()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	if h.finds("identity", report.Problem) {
		t.Fatal("an alarm without a reason")
	}
	h.later()
	clone := newTestMachine(t)
	public, err := clone.sealer.Public(bg)
	must(t, err)
	must(t, h.srv.SetSealingKey(bg, public))
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	if !h.finds("identity", report.Problem) {
		t.Error("status does not say that another machine may have this one's identity")
	}
	own, err := h.sealer.Public(bg)
	must(t, err)
	h.wait("the own key at the server", func() bool {
		h.srv.mu.Lock()
		defer h.srv.mu.Unlock()
		return string(h.srv.sealTo) == string(own)
	})
	h.later()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
	if h.finds("identity", report.Problem) {
		t.Error("the alarm does not end")
	}
	h.later()
	h.lost()
	h.expect(identity.Granted, "alice", "secret", h.code(0))
}
