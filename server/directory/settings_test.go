package directory

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// TestMachinesAreToldWhatSSHDAccepts: before anything else on a new stream, and at once when
// it changes, for the realm or for one machine. Each word has a version that grows.
// Promise stored-keys.
func TestMachinesAreToldWhatSSHDAccepts(t *testing.T) {
	s := newServed(t)
	s.joined("web", formsOfToday)
	only := "refuse"
	for what, err := range map[string]error{
		"the realm": errOf(s.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{StoredKeys: &only})),
		"a machine": errOf(s.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web", StoredKeys: &only})),
	} {
		if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "keys rotate-ssh") {
			t.Errorf("%s accepts certificates only, and there are none: %v", what, err)
		}
	}
	s.Must(s.Admin.RotateSSHKeys(t.Context(), &v1.RotateSSHKeysRequest{}))
	version := uint64(0)
	hears := func(what string, w *stream, only, first bool) {
		t.Helper()
		for w.Receive() {
			m := w.Msg().GetSettings()
			if m == nil && !first {
				continue
			}
			if m == nil || m.GetCertificatesOnly() != only || m.GetVersion() < version || !first && m.GetVersion() == version {
				t.Errorf("%s: %v", what, w.Msg())
			}
			version = m.GetVersion()
			return
		}
		t.Errorf("%s: nothing is heard: %v", what, w.Err())
	}
	realm := func(word string) {
		t.Helper()
		s.Must(s.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{StoredKeys: &word}))
	}
	machine := func(word string) {
		t.Helper()
		s.Must(s.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web", StoredKeys: &word}))
	}
	w := s.watch("web", nil)
	hears("a new realm", w, false, true)
	w.caughtUp()
	realm("refuse")
	hears("the realm", w, true, false)
	hears("who comes later", s.watch("web", nil), true, true)
	machine("accept")
	hears("one machine", w, false, false)
	realm("accept")
	hears("the realm, which changes nothing for it", w, false, false)
	machine("refuse")
	hears("one machine alone", w, true, false)
	machine("realm")
	hears("as the realm", w, false, false)
	realm("accept")
	hears("said once more", w, false, false)
	for _, word := range []string{"", "certificates", "realm", "none", "Accept"} {
		if _, err := s.Admin.SetRealm(t.Context(), &v1.SetRealmRequest{StoredKeys: &word}); err == nil {
			t.Errorf("the realm takes %q", word)
		}
		if _, err := s.Admin.SetMachine(t.Context(), &v1.SetMachineRequest{Name: "web", StoredKeys: &word}); (err == nil) != (word == "realm") {
			t.Errorf("a machine with %q: %v", word, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }
