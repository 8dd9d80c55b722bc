package sallyport_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// settings writes what a machine has after joining into files.
func settings(t *testing.T, o sallyport.Options) provider.Settings {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(o.MachineKey)
	if err != nil {
		t.Fatal(err)
	}
	s := provider.Settings{
		URL: o.URL, Realm: o.Realm, CA: filepath.Join(dir, "realm.pem"), MachineKey: filepath.Join(dir, "machine.key"),
		MachineID: o.MachineID, Memory: o.Memory, Timeout: 5 * time.Second,
	}
	for path, text := range map[string][]byte{s.CA: o.RootPEM, s.MachineKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Promise 19.
func TestItKeepsTheContractOfProviders(t *testing.T) {
	other := newRealm(t).options("box").RootPEM
	providertest.Run(t, func(t *testing.T) providertest.Subject {
		r := newRealm(t)
		r.account("ada")
		s := settings(t, r.options("box"))
		p := sallyport.Open(s)
		defer p.Close()
		ada, err := p.Fetch(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		s.Memory = &providertest.Memory{}
		return providertest.Subject{
			Settings: s, Open: sallyport.Open, Person: "ada", UID: ada.Token.Account.UID, Password: testPassword, OtherCA: other, Leave: r.stop,
		}
	})
}
