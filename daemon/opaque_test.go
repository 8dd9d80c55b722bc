package daemon

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/identity"
)

// One password as two keyboards type it: the ü of one character, and of two.
const (
	composed   = "gr\u00fcn ist die hoffnung"
	decomposed = "gru\u0308n ist die hoffnung"
)

// knows makes the server take that password of alice.
func (s *server) knows(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.people {
		p.password = password
	}
}

// verifierOfBefore is alice's as it was made before passwords were prepared.
func (h *testMachine) verifierOfBefore(typed string) cache.Verifier {
	h.t.Helper()
	v := h.verifierOfAlice()
	data := append([]byte("sallyport offline verifier v1\x00"), v.UUID[:]...)
	data = append(append(data, v.Kind...), 0)
	data = binary.BigEndian.AppendUint64(data, v.Epoch)
	data = append(data, argon2.IDKey([]byte(typed), v.Salt, v.Time, v.Memory, v.Threads, 32)...)
	var err error
	v.MAC, err = h.sealer.HMAC(bg, data)
	must(h.t, err)
	must(h.t, h.cache.PutVerifier(bg, v))
	return v
}

// Promise password-form.
func TestAnUmlautTypedEitherWayLogsInOffline(t *testing.T) {
	for _, typed := range []string{composed, decomposed} {
		h := newTestMachine(t)
		h.srv.set(t, token("alice", 1900000100), nil)
		h.srv.knows(typed)
		h.online()
		h.expect(identity.Granted, "alice", typed)
		h.lost()
		h.expect(identity.Granted, "alice", composed)
		h.expect(identity.Granted, "alice", decomposed)
		h.expect(identity.Denied, "alice", "grun ist die hoffnung")
	}
}

// Promise password-form.
func TestAVerifierOfBeforeGoesOnAndIsMadeAnew(t *testing.T) {
	h := remembered(t, nil)
	before := h.verifierOfBefore(decomposed)
	h.expect(identity.Denied, "alice", composed)
	h.expect(identity.Granted, "alice", decomposed)
	if now := h.verifierOfAlice(); bytes.Equal(now.MAC, before.MAC) || now.Epoch != before.Epoch {
		t.Error("the verifier is not made anew, or of another epoch")
	}
	h.expect(identity.Granted, "alice", composed)
}

// Promise password-form.
func TestALoginOnlineRenewsAVerifierOfAnotherForm(t *testing.T) {
	h := newTestMachine(t)
	h.srv.set(t, token("alice", 1900000100), nil)
	h.online()
	h.expect(identity.Granted, "alice", "secret")
	h.srv.knows(composed)
	before := h.verifierOfBefore(decomposed)
	h.expect(identity.Granted, "alice", composed)
	h.wait("the verifier is made anew", func() bool { return !bytes.Equal(h.verifierOfAlice().MAC, before.MAC) })
	h.lost()
	h.expect(identity.Granted, "alice", composed)
}

// Promise password-form-guess.
func TestTwoFormsAreOneGuessOffline(t *testing.T) {
	h := remembered(t, nil)
	h.expect(identity.Denied, "alice", decomposed)
	all, err := h.cache.AllFailures(bg, h.alice())
	must(t, err)
	for _, f := range all {
		if f.Count != 1 {
			t.Errorf("one wrong answer was counted as %d", f.Count)
		}
	}
	if len(all) == 0 {
		t.Error("a wrong answer was not counted")
	}
}
