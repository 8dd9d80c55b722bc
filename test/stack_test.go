package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// ownKey lets ada bring a key that we do not serve: sshd believes her home, too.
func ownKey(t *testing.T, r *machine.Realm) {
	t.Helper()
	lets(t, byKey(r, ada), ada) // makes the home
	script(t, r, `home=$(getent passwd ada | cut -d: -f6)
		install -d -o ada -g ada -m 700 $home/.ssh; install -o ada -g ada -m 600 `+adaKey+`.pub $home/.ssh/authorized_keys`)
}

// disabled waits until the machine knows that ada is.
func disabled(t *testing.T, r *machine.Realm) {
	t.Helper()
	admin(t, r, "", "account", "disable", ada)
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada); err == nil || !strings.Contains(out, "disabled") {
			return fmt.Errorf("explain says %s", out)
		}
		return nil
	})
}

func TestAKeyInTheHomeDoesNotLetADisabledAccountIn(t *testing.T) {
	r := joined(t)
	ownKey(t, r)
	admin(t, r, "", "account", "remove-key", ada, "laptop")
	lets(t, byKey(r, ada), ada)
	disabled(t, r)
	keepsOut(t, byKey(r, ada))
}

// The account phase cannot decide then, and the stack goes on to pam_unix, which
// must not take an account without a shadow entry for one in good standing.
func TestAKeyInTheHomeDoesNotLetAnAccountInThatWasAwayForTooLong(t *testing.T) {
	r := joined(t)
	ownKey(t, r)
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	lets(t, byKey(r, ada), ada)
	must(t, r.Daemon.Stop(t.Context()))
	script(t, r, `printf '\n[offline]\nmax_age = "1s"\n' >> /etc/sallyport/sallyportd.toml`)
	must(t, r.StartDaemon(t.Context()))
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada); err == nil {
			return fmt.Errorf("still allowed: %s", out)
		}
		return nil
	})
	script(t, r, "getent passwd ada") // she is known all the while
	keepsOut(t, byKey(r, ada))
	if out, err := r.RunInput(t.Context(), adaPass+"\n", "/usr/bin/sallyport", "auth-test", ada, "--service", "login"); err == nil {
		t.Errorf("her password lets her in:\n%s", out)
	}
	lets(t, ways(r, local, localPass)["su"], local)
}

func TestSudosMemoryOfAPasswordDoesNotOutliveTheAccount(t *testing.T) {
	r := joined(t)
	script(t, r, `printf 'Defaults timestamp_type=global\n' > /etc/sudoers.d/memory; chmod 0440 /etc/sudoers.d/memory`)
	again := func(ctx context.Context) (machine.Outcome, error) {
		return r.RunAs(ctx, ada, `sudo -n sh -c 'echo I am $(id -un) with'`)
	}
	if o, err := r.TalkAs(t.Context(), ada, []string{"assword", adaPass}, `sudo true`); err != nil || !o.OK() {
		t.Fatalf("sudo: %v %s", err, o.Screen)
	}
	// On another terminal the proof is none, whatever sudo remembers for all of them.
	keepsOut(t, again)
	reconfigure(t, r, "[service.sudo]\nstep_up = false")
	if o, err := again(t.Context()); err != nil || !o.OK() {
		t.Fatalf("sudo does not remember: %v %s", err, o.Screen)
	}
	disabled(t, r)
	keepsOut(t, again)
}

// Somebody whom another directory knows, and we do not, is left to the modules
// behind ours in every state of ours.
func TestAccountsOfAnotherDirectoryAreLeftToIt(t *testing.T) {
	for state, bring := range map[string]func(*testing.T, *machine.Realm){
		"all is well":        func(*testing.T, *machine.Realm) {},
		"daemon not running": func(t *testing.T, r *machine.Realm) { must(t, r.Daemon.Stop(t.Context())) },
		"server gone": func(t *testing.T, r *machine.Realm) {
			must(t, r.Server.Stop(t.Context()))
			must(t, r.WaitOffline(t.Context()))
		},
	} {
		t.Run(state, func(t *testing.T) {
			r := joined(t)
			// Its module is a script that knows one password: pam_exec in pam_unix's place.
			must(t, r.WriteFile("/usr/local/bin/other", "#!/bin/sh\n[ \"$PAM_USER\" = grace ] || exit 1\n"+
				"[ \"$PAM_TYPE\" != auth ] || [ \"$(tr -d '\\000')\" = 'of another house' ]\n", 0o755))
			must(t, r.WriteFile("/usr/share/pam-configs/other", `Name: another directory
Default: yes
Priority: 100
Auth-Type: Primary
Auth:
	[success=end default=ignore]	pam_exec.so expose_authtok quiet /usr/local/bin/other
Account-Type: Primary
Account:
	[success=end default=ignore]	pam_exec.so quiet /usr/local/bin/other
`, 0o644))
			script(t, r, "DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable other")
			bring(t, r)
			begin := time.Now()
			if out, err := r.RunInput(t.Context(), "of another house\n", "/usr/bin/sallyport", "auth-test", "grace", "--service", "login"); err != nil {
				t.Errorf("after %v: %v", time.Since(begin), err)
			} else {
				t.Log(out)
			}
			if out, err := r.RunInput(t.Context(), "wrong\n", "/usr/bin/sallyport", "auth-test", "grace", "--service", "login"); err == nil {
				t.Errorf("a wrong password is taken:\n%s", out)
			}
		})
	}
}
