// Package providertest is what every kind of provider promises to the resolver, as tests
// that its own tests run: [Run]. Each begins with a server of that kind that has one
// person, and with a machine that may ask it.
package providertest

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Subject is a server with a person, and a machine.
type Subject struct {
	// Settings name files that are the test's own.
	Settings provider.Settings
	Open     func(provider.Settings) provider.Provider
	Person   identity.Name
	UID      uint32
	Password string
	// OtherCA is what would vouch for another server of the kind.
	OtherCA []byte
	// Leave takes the server away.
	Leave func()
}

// Run tests one kind; make makes a new subject each time.
func Run(t *testing.T, make func(*testing.T) Subject) {
	t.Helper()
	for sentence, test := range map[string]func(*testing.T, Subject){
		"an account is found":                   finds,
		"what was changed does not verify":      changed,
		"a right password is a yes":             authenticates,
		"without a server there is no answer":   offline,
		"another server is not believed":        untrusted,
		"a list is whole":                       lists,
		"a missing file is waited for":          unready,
		"a file of another is not gone over to": another,
	} {
		t.Run(sentence, func(t *testing.T) { test(t, make(t)) })
	}
}

// open makes the provider, for as long as the test takes.
func (s Subject) open(t *testing.T) provider.Source {
	t.Helper()
	p := s.Open(s.Settings)
	t.Cleanup(func() { _ = p.Close() })
	return provider.SourceOf(p)
}

// Write writes what a machine has after it joined into files of the test's own, and names
// them in s.
func Write(t *testing.T, s provider.Settings, ca []byte, key crypto.Signer) provider.Settings {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s.CA, s.MachineKey, s.Timeout = filepath.Join(dir, "realm.pem"), filepath.Join(dir, "machine.key"), 5*time.Second
	for path, text := range map[string][]byte{s.CA: ca, s.MachineKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Memory is a provider.Memory that forgets when the test ends. Its zero value is ready.
type Memory struct{ m sync.Map }

// Recall implements provider.Memory.
func (m *Memory) Recall(_ context.Context, key string) ([]byte, error) {
	if v, ok := m.m.Load(key); ok {
		if b, ok := v.([]byte); ok {
			return b, nil
		}
	}
	return nil, identity.ErrNotFound
}

// Remember implements provider.Memory.
func (m *Memory) Remember(_ context.Context, key string, value []byte) error {
	m.m.Store(key, value)
	return nil
}
