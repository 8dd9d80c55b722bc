package test

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Promise attack-local-twin, service-twins.
func TestTheRulesOfAServiceHoldForItsLoginTwin(t *testing.T) {
	r := joined(t)
	sudo := func(options string) attempt {
		return func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, ada, []string{"assword", adaPass}, "sudo -k; sudo "+options+` sh -c 'echo I am $(id -un) with'`)
		}
	}
	su := func(dash string) attempt {
		return func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, local, []string{"Password: ", adaPass}, "su "+dash+" ada -c 'echo I am $(id -un) with'")
		}
	}
	script(t, r, "echo 'Defaults passwd_tries=1' > /etc/sudoers.d/once; chmod 0440 /etc/sudoers.d/once")
	lets(t, sudo(""), "root")
	lets(t, sudo("-i"), "root")
	lets(t, su(""), ada)
	lets(t, su("-"), ada)
	// ada holds a password alone, so nothing that demands a code may let her on.
	reconfigure(t, r, "[service.sudo]\npoints = 50\nfactors = [\"totp\"]\n[service.su]\nfactors = [\"totp\"]\n")
	keepsOut(t, sudo(""))
	keepsOut(t, sudo("-i"))
	keepsOut(t, su(""))
	keepsOut(t, su("-"))
	if out, _ := r.Run(t.Context(), "/usr/bin/sallyport", "doctor"); strings.Contains(out, "PAM services: The PAM service") {
		t.Errorf("doctor says %s", out)
	}
	reconfigure(t, r, "[service.sudo-i]\nfactors = []\npoints = 0\n")
	lets(t, sudo("-i"), "root")
	keepsOut(t, sudo(""))
	if out, _ := r.Run(t.Context(), "/usr/bin/sallyport", "doctor"); !strings.Contains(out, "PAM services: The PAM service sudo-i does what sudo does and demands less") {
		t.Errorf("doctor does not name sudo-i: %s", out)
	}
}
