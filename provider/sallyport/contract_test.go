package sallyport_test

import (
	"testing"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/providertest"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// settings writes what a machine has after joining into files.
func settings(t *testing.T, o sallyport.Options) provider.Settings {
	t.Helper()
	return providertest.Write(t, provider.Settings{URL: o.URL, Realm: o.Realm, MachineID: o.MachineID, Memory: o.Memory}, o.RootPEM, o.MachineKey)
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
