package providertest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// abilities names what a source can do.
func abilities(s provider.Source) string {
	var all []string
	for name, can := range map[string]bool{
		"list": s.Lister != nil, "watch": s.Watcher != nil, "find groups": s.GroupFinder != nil, "change passwords": s.PasswordChanger != nil,
		"register keys": s.KeyRegistrar != nil, "report losses": s.LossReporter != nil, "give verdicts": s.VerdictGiver != nil,
		"prove itself to cards": s.CardProver != nil, "be limited": s.Limited != nil, "disown": s.Disowner != nil, "have several servers": s.Fleet != nil, "static epochs": s.StaticEpoch,
	} {
		if can {
			all = append(all, name)
		}
	}
	return strings.Join(slices.Sorted(slices.Values(all)), ", ")
}

// faults are ways in which a file cannot be read.
func faults() map[string]func(path string) error {
	return map[string]func(string) error{
		"missing":     os.Remove,
		"of no sense": func(path string) error { return os.WriteFile(path, []byte("-----BEGIN"), 0o600) },
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a folder": func(path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		},
	}
}

func unready(t *testing.T, s Subject) {
	whole := s.open(t)
	r, err := whole.Fetch(t.Context(), s.Person)
	if err != nil {
		t.Fatal(err)
	}
	for file, path := range map[string]string{"what vouches for the server": s.Settings.CA, "the machine's key": s.Settings.MachineKey} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for how, breaks := range faults() {
			if err := breaks(path); err != nil {
				t.Fatal(err)
			}
			p := s.open(t)
			why := p.Unready()
			if !errors.Is(why, provider.ErrOffline) || errors.Is(why, provider.ErrUntrusted) || !strings.Contains(why.Error(), path) {
				t.Errorf("%s, %s: %v", file, how, why)
			}
			if got, want := abilities(p), abilities(whole); got != want || p.Name() != whole.Name() {
				t.Errorf("%s, %s: it can %s, want %s", file, how, got, want)
			}
			for what, err := range calls(t.Context(), p, s) {
				var u *provider.UnreadyError
				if !errors.As(err, &u) {
					t.Errorf("%s, %s: %s: %v", file, how, what, err)
				}
			}
			if v, err := p.Verify(r.Signed); err != nil || v.Account.Name != s.Person {
				t.Errorf("%s, %s: what is remembered does not verify: %v", file, how, err)
			}
			if _, err := p.Verify(r.Signed[:len(r.Signed)-1]); !errors.Is(err, identity.ErrToken) {
				t.Errorf("%s, %s: what is damaged verifies: %v", file, how, err)
			}
			if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, text, 0o600)); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(20 * time.Second); p.Unready() != nil && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			if again, err := p.Fetch(t.Context(), s.Person); err != nil || again.Token.Account.UID != s.UID {
				t.Errorf("%s, %s: put back: %v", file, how, err)
			}
		}
	}
}

// another gives the machine the file of another server, and the key of another machine,
// after it began to go by what it remembers: tokens of two realms are never mixed.
func another(t *testing.T, s Subject) {
	if _, err := s.open(t).Fetch(t.Context(), s.Person); err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	old := map[string][]byte{}
	for _, path := range []string{s.Settings.CA, s.Settings.MachineKey} {
		if old[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	refused := false
	for path, text := range map[string][]byte{
		s.Settings.CA: s.OtherCA, s.Settings.MachineKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		p := s.open(t)
		if p.Unready() == nil {
			t.Fatal("it is ready without", filepath.Base(path))
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := p.Fetch(t.Context(), s.Person)
		for end := time.Now().Add(20 * time.Second); err != nil && strings.Contains(err.Error(), "no such file") && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
			_, err = p.Fetch(t.Context(), s.Person)
		}
		if err == nil {
			t.Errorf("%s of another was taken", filepath.Base(path))
		}
		refused = refused || strings.Contains(err.Error(), "restart sallyportd")
		if err := os.WriteFile(path, old[path], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !refused {
		t.Error("neither was said to need a restart")
	}
}

func untrusted(t *testing.T, s Subject) {
	if err := os.WriteFile(s.Settings.CA, s.OtherCA, 0o600); err != nil {
		t.Fatal(err)
	}
	p := s.open(t)
	for what, err := range calls(t.Context(), p, s) {
		if !errors.Is(err, provider.ErrUntrusted) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
