package kanidm_test

import (
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
)

// stepUp is login for somebody who is signed in.
func stepUp(t testing.TB, p *kanidm.Provider, name identity.Name, answers ...given) (provider.Reply, error) {
	t.Helper()
	return attempt(t, p, provider.Attempt{Name: name, Service: "sudo", StepUp: true}, answers...)
}

func TestAStepUpGoesOnFromTheSignInAndAPlainLoginDoesNot(t *testing.T) {
	d := newRig(t)
	p := d.machine(stepped)
	right := given{identity.Password, "battery staple"}
	for i, c := range []struct {
		again bool
		want  int
	}{{false, 0}, {true, 1}, {true, 2}, {false, 2}, {true, 3}} {
		how := login
		if c.again {
			how = stepUp
		}
		if r, err := how(t, p, "bob", right); err != nil || r.Outcome != provider.Allow {
			t.Fatal(i, r.Message, err)
		}
		if n := d.Reauthenticated(); n != c.want || d.Sessions() != 1 {
			t.Errorf("%d: %d reauthentications, want %d; %d sessions, want 1", i, n, c.want, d.Sessions())
		}
	}
}
