package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/trouble"
)

// SSHAuthorities implements provider.SSHTrust.
func (s *server) SSHAuthorities() (users, hosts [][]byte) { return nil, nil }

// GrantEnded implements provider.SSHTrust.
func (s *server) GrantEnded(uuid.UUID) bool { return false }

// CertificatesOnly implements provider.SSHTrust.
func (s *server) CertificatesOnly() bool { return s.certificatesOnly.Load() }

// TestNoStoredKeysAreServedWhereCertificatesAloneAreAccepted: online and offline; and people
// are told why.
// Promise stored-keys.
func TestNoStoredKeysAreServedWhereCertificatesAloneAreAccepted(t *testing.T) {
	h := newTestMachine(t)
	alice := token("alice", aliceUID)
	alice.SSHKeys = []identity.SSHKey{{Tag: "a", Line: "ssh-ed25519 AAAA"}}
	h.srv.set(t, alice, nil)
	h.online()
	served := func(what string, want int) {
		t.Helper()
		keys, err := h.d.KeysFor(t.Context(), identity.Peer{UID: 5}, "alice")
		if err != nil || len(keys) != want {
			t.Errorf("%s: %d keys, %v", what, len(keys), err)
		}
	}
	x := func() report.Explanation { return h.d.Explain(t.Context(), report.ExplainArgs{Name: "alice"}, false) }
	limits := func() string { return strings.Join(x().Limits, "\n") }
	served("keys and certificates", 1)
	if x().CertificatesOnly || strings.Contains(limits(), "sallyport ssh") {
		t.Error(limits())
	}
	h.srv.certificatesOnly.Store(true)
	served("certificates only", 0)
	if f := h.status().Findings; !slices.ContainsFunc(f, func(f report.Finding) bool { return f.Cause == string(trouble.SSHCertificatesOnly) }) {
		t.Errorf("status says nothing of it: %+v", f)
	}
	h.lost()
	served("certificates only, offline", 0)
	if !x().CertificatesOnly || !strings.Contains(limits(), `log in with "sallyport ssh"`) {
		t.Error(limits())
	}
	h.srv.certificatesOnly.Store(false)
	served("keys again", 1)
}
