package daemon

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/test/swtpm"
)

// sealedBy makes a testMachine take its sealer as cmd/sallyportd does.
func sealedBy(t *testing.T, kind string, tpm *swtpm.TPM) func(*testMachine) {
	return func(h *testMachine) {
		h.seal = func(dir string) seal.Sealer {
			c, err := seal.Open(context.Background(), seal.Options{Dir: dir, Kind: kind, Device: tpm.Device, Now: h.clk.now})
			must(t, err)
			t.Cleanup(func() { _ = c.Close() })
			return c.Sealer
		}
	}
}

func (h *testMachine) verifierOfAlice() cache.Verifier {
	h.t.Helper()
	v, err := h.cache.Verifier(context.Background(), h.d.Directory().Named("alice").Account().UUID, identity.Password)
	must(h.t, err)
	return v
}

// troubled tells what status says of the seal.
func (h *testMachine) troubled() report.Severity {
	for _, f := range h.status().Findings {
		if f.Check == "seal" {
			return f.Severity
		}
	}
	return report.OK
}

// Promise seal-copied-disk.
func TestACopyOfTheDiskSignsNobodyInWithoutItsTPM(t *testing.T) {
	own, other := swtpm.New(t), swtpm.New(t)
	h := remembered(t, nil, sealedBy(t, seal.KindAuto, own))
	h.expect(identity.Granted, "alice", "secret")
	h.stop()
	entries, err := os.ReadDir(h.dir)
	must(t, err)
	kept := map[string][]byte{}
	for _, e := range entries {
		kept[e.Name()], err = os.ReadFile(filepath.Join(h.dir, e.Name()))
		must(t, err)
	}
	if kept["seal.tpm"] == nil || kept["seal.key"] != nil {
		t.Fatalf("%v", entries)
	}

	original := h.dir
	h.dir = filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(h.dir, 0o700))
	for name, text := range kept {
		must(t, os.WriteFile(filepath.Join(h.dir, name), text, 0o600))
	}
	sealedBy(t, seal.KindAuto, other)(h)
	h.start()
	h.run()
	h.lost()
	h.expect(identity.Unavailable, "alice", "secret")
	h.expect(identity.Unavailable, "alice", "wrong") // nothing tells a guess that it was right
	if h.troubled() != report.Problem {
		t.Errorf("status: %+v", h.status().Findings)
	}
	// With a key of its own, the thief's machine compares, and knows nothing either.
	h.stop()
	must(t, os.Remove(filepath.Join(h.dir, "seal.tpm")))
	h.start()
	h.run()
	h.lost()
	h.expect(identity.Denied, "alice", "secret") // without a look at it
	h.stop()

	h.dir = original
	sealedBy(t, seal.KindAuto, own)(h)
	h.start()
	h.run()
	h.lost()
	h.expect(identity.Granted, "alice", "secret")
}

// Promise seal-tpm-silent.
func TestATPMThatIsGoneDeniesNobodyAndLetsNobodyInOffline(t *testing.T) {
	tpm := swtpm.New(t)
	h := remembered(t, nil, sealedBy(t, seal.KindAuto, tpm))
	tpm.Off()
	for range h.d.p.OfflineTries + 2 { // nor does it lock anybody out
		h.expect(identity.Unavailable, "alice", "secret")
	}
	if h.troubled() != report.Problem {
		t.Errorf("status: %+v", h.status().Findings)
	}
	tpm.On()
	h.expect(identity.Granted, "alice", "secret")
	if h.troubled() != report.OK {
		t.Errorf("status: %+v", h.status().Findings)
	}
	h.expect(identity.Denied, "alice", "wrong")
	for range h.d.p.OfflineTries {
		h.login("alice", "wrong")
	}
	tpm.Off()
	h.expect(identity.TooManyTries, "alice", "secret") // and lifts no lock
}

// Promise seal-tpm-silent.
func TestATPMThatIsGoneKeepsNobodyFromTheServer(t *testing.T) {
	tpm := swtpm.New(t)
	h := remembered(t, nil, sealedBy(t, seal.KindAuto, tpm))
	h.srv.set(t, token("bob", 1900000101), nil)
	tpm.Off()
	h.srv.be(up)
	h.wait("online", func() bool { return h.d.Link().Now() == resolver.Online })
	h.expect(identity.Granted, "bob", "secret")
	h.wait("the end of the making", func() bool { return len(h.d.making) == 0 })
	tpm.On()
	h.expect(identity.Granted, "bob", "secret") // and makes what was missing
	h.wait("the end of the making", func() bool { return len(h.d.making) == 0 })
	h.lost()
	h.expect(identity.Granted, "bob", "secret")
}

// Promise seal-move.
func TestWhoCouldLogInOfflineStillCanAfterTheMoveToTheTPM(t *testing.T) {
	tpm := swtpm.New(t)
	h := remembered(t, nil, sealedBy(t, seal.KindFile, tpm))
	old := h.verifierOfAlice()
	h.stop()
	sealedBy(t, seal.KindTPM, tpm)(h)
	h.start()
	h.run()
	h.lost()
	if _, err := os.Stat(filepath.Join(h.dir, "seal.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key file is still there: %v", err)
	}
	h.expect(identity.Denied, "alice", "wrong")
	if v := h.verifierOfAlice(); !bytes.Equal(v.MAC, old.MAC) {
		t.Error("a wrong password made a verifier")
	}
	h.expect(identity.Granted, "alice", "secret")
	v := h.verifierOfAlice()
	if bytes.Equal(v.MAC, old.MAC) {
		t.Error("the verifier is still the file's")
	}
	h.expect(identity.Denied, "alice", "wrong")
	h.expect(identity.Granted, "alice", "secret")
	if again := h.verifierOfAlice(); !bytes.Equal(v.MAC, again.MAC) {
		t.Error("it was made anew twice")
	}
}

// Promise seal-move.
func TestALoginWithTheServerRenewsWhatTheFileHadSealed(t *testing.T) {
	tpm := swtpm.New(t)
	h := remembered(t, nil, sealedBy(t, seal.KindFile, tpm))
	old := h.verifierOfAlice()
	h.stop()
	sealedBy(t, seal.KindTPM, tpm)(h)
	h.start()
	h.srv.be(up)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.wait("the end of the making", func() bool { return len(h.d.making) == 0 })
	if v := h.verifierOfAlice(); bytes.Equal(v.MAC, old.MAC) {
		t.Error("the verifier is still the file's")
	}
}

// Promise seal-no-silent-choice.
func TestStatusSaysWhatSealsAndWhatWouldBeStronger(t *testing.T) {
	h := newTestMachine(t, func(h *testMachine) { h.sealWords = [2]string{"/state/seal.key: there is a reason", "Move."} })
	s := h.status()
	if s.Seal != (report.Seal{Kind: "file", Detail: "/state/seal.key: there is a reason"}) {
		t.Errorf("%+v", s.Seal)
	}
	for _, f := range s.Findings {
		if f.Check == "seal" && f.Severity == report.Note && f.Mend == "Move." && strings.Contains(f.Detail, "there is a reason") {
			return
		}
	}
	t.Errorf("%+v", s.Findings)
}
