package kanidm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/providertest"
)

// settings writes what a machine has into files.
func (d *rig) settings(t *testing.T) kanidm.Settings {
	t.Helper()
	o := d.options()
	s := provider.Settings{URL: o.URL, Realm: o.Realm, MachineID: o.MachineID, Memory: o.Memory}
	return kanidm.Settings{Settings: providertest.Write(t, s, o.RootPEM, o.MachineKey)}
}

// Promise 19.
func TestItKeepsTheContractOfProviders(t *testing.T) {
	for stepped, password := range map[bool]string{false: "correct horse", true: "battery staple"} {
		providertest.Run(t, func(t *testing.T) providertest.Subject {
			d := newRig(t)
			s := d.settings(t)
			return providertest.Subject{
				Settings: s.Settings, Person: "bob", UID: 70001, Password: password, OtherCA: otherCA(t), Leave: d.Close,
				Open: func(common provider.Settings) provider.Provider {
					return kanidm.Open(kanidm.Settings{Settings: common, Stepped: stepped})
				},
			}
		})
	}
}

// TestWhatAnotherMachineMadeVerifiesNowhereElse: also where the machine's own key is gone,
// and its cache was copied from the other.
//
// Promise 19.
func TestWhatAnotherMachineMadeVerifiesNowhereElse(t *testing.T) {
	d := newRig(t)
	s := d.settings(t)
	p := kanidm.Open(s)
	defer p.Close()
	r, err := p.Fetch(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.MachineKey); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uuid.UUID]bool{s.MachineID: true, uuid.New(): false} {
		here := s
		here.MachineID = id
		if _, err := kanidm.Open(here).Verify(r.Signed); (err == nil) != want {
			t.Errorf("at machine %s: %v", id, err)
		}
	}
}

func TestATokenFileThatIsMissingIsWaitedFor(t *testing.T) {
	d := newRig(t)
	s := d.settings(t)
	s.Token = filepath.Join(t.TempDir(), "token")
	p := kanidm.Open(s)
	defer p.Close()
	why := provider.SourceOf(p).Unready()
	if why == nil || kanidm.Sound(s) == nil {
		t.Fatal("a missing token is no fault:", why)
	}
	s.Token = ""
	if err := kanidm.Sound(s); err != nil {
		t.Error("without a token it is sound:", err)
	}
}

// TestItTakesNoRequestsAndMakesNoCertificates: Kanidm has none, so nothing is offered that
// could only fail. The command says so, and status too.
//
// Promise 19.
func TestItTakesNoRequestsAndMakesNoCertificates(t *testing.T) {
	d := newRig(t)
	s := provider.SourceOf(kanidm.Open(d.settings(t)))
	defer s.Close()
	if s.IdentityService != nil {
		t.Errorf("an identity service: %v", s.IdentityService)
	}
	if s.Requester != nil || s.SSHTrust != nil {
		t.Errorf("requests: %v, certificates: %v", s.Requester, s.SSHTrust)
	}
}
