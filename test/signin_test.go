package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

func TestAPersonOfTheRealmSignsInThroughEveryHost(t *testing.T) {
	r := joined(t)
	for name, try := range ways(r, ada, adaPass) {
		t.Run(name, func(t *testing.T) { lets(t, try, ada) })
	}
	for name, try := range ways(r, ada, "not her password") {
		t.Run("wrong password by "+name, func(t *testing.T) { keepsOut(t, try) })
		must(t, unlockOnServer(t, r))
	}
	t.Run("ssh key", func(t *testing.T) { lets(t, byKey(r, ada), ada) })
	t.Run("the key has no agent forwarding", func(t *testing.T) {
		out := script(t, r, "setpriv --reuid=sallyport-keys --regid=sallyport-keys --clear-groups sallyport-keys ada")
		if !strings.HasPrefix(out, "no-agent-forwarding ssh-ed25519 ") {
			t.Errorf("sallyport-keys printed %q", out)
		}
	})
	t.Run("a name that nobody has", func(t *testing.T) {
		keepsOut(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.SSHPassword(ctx, "keyboard-interactive", "nobodyhere", "x")
		})
	})
}

// unlockOnServer forgives the wrong passwords of a test with one right one.
func unlockOnServer(t *testing.T, r *machine.Realm) error {
	t.Helper()
	o, err := r.SSHPassword(t.Context(), "keyboard-interactive", ada, adaPass)
	if err == nil && !o.OK() {
		return fmt.Errorf("the right password: %s", o.Screen)
	}
	return err
}

func TestSudoInAllItsWays(t *testing.T) {
	r := joined(t)
	t.Run("plain", func(t *testing.T) { lets(t, bySudo(r, ada, adaPass), "root") })
	t.Run("wrong password", func(t *testing.T) {
		keepsOut(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.RunAs(ctx, ada, `sudo -k; echo wrong | sudo -S sh -c 'echo I am root'`)
		})
	})
	t.Run("-p asks with its own prompt", func(t *testing.T) {
		lets(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.SudoAsked(ctx, "Say friend: ", ada, adaPass, "-p", "'Say friend: '")
		}, "root")
	})
	t.Run("-n does not ask", func(t *testing.T) {
		if s := keepsOut(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.RunAs(ctx, ada, `sudo -k; sudo -n sh -c 'echo I am root'`)
		}); !strings.Contains(s, "password is required") {
			t.Errorf("sudo -n says %q", s)
		}
	})
	t.Run("-A asks a helper", func(t *testing.T) {
		must(t, r.WriteFile("/usr/local/bin/askpass", "#!/bin/sh\necho '"+adaPass+"'\n", 0o755))
		lets(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.RunAs(ctx, ada, `sudo -k; SUDO_ASKPASS=/usr/local/bin/askpass sudo -A sh -c 'echo I am $(id -un) with'`)
		}, "root")
	})
	t.Run("as Ansible drives it", func(t *testing.T) {
		// become_method sudo: -S, a prompt of its own to wait for, and a marker of success.
		lets(t, func(ctx context.Context) (machine.Outcome, error) {
			return r.TalkAs(ctx, ada, []string{"[sudo via ansible, key=abcd] password:", adaPass},
				`sudo -k; sudo -H -S -p "[sudo via ansible, key=abcd] password:" -u root /bin/sh -c 'echo BECOME-SUCCESS-abcd; echo I am $(id -un) with'`)
		}, "root")
	})
	t.Run("someone without the group", func(t *testing.T) {
		admin(t, r, "", "group", "remove-member", "admins", ada)
		within(t, r, 2*time.Second+machine.Patience/10, func() error {
			if out, err := r.Run(t.Context(), "/usr/bin/id", ada); err != nil || strings.Contains(out, "admins") {
				return fmt.Errorf("id says %s (%w)", out, err)
			}
			return nil
		})
		keepsOut(t, bySudo(r, ada, adaPass))
	})
}

func TestOfflineIsTheSameAgain(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	for name, try := range ways(r, ada, adaPass) {
		t.Run(name, func(t *testing.T) {
			// sshd keeps what it was told for a session with a terminal.
			if s := lets(t, try, ada); !strings.HasPrefix(name, "ssh ") && !strings.Contains(s, "Offline. Last checked") {
				t.Errorf("the person is not told:\n%s", s)
			}
		})
	}
	t.Run("ssh key", func(t *testing.T) { lets(t, byKey(r, ada), ada) })
	t.Run("sudo", func(t *testing.T) { lets(t, bySudo(r, ada, adaPass), "root") })
	t.Run("wrong password", func(t *testing.T) { keepsOut(t, ways(r, ada, "wrong")["su"]) })
	t.Run("after a restart of the daemon", func(t *testing.T) {
		must(t, r.Daemon.Stop(t.Context()))
		must(t, r.StartDaemon(t.Context()))
		lets(t, ways(r, ada, adaPass)["ssh keyboard-interactive"], ada)
	})
	t.Run("failures lock, also across a restart", func(t *testing.T) {
		for range 5 {
			keepsOut(t, ways(r, ada, "wrong")["su"])
		}
		must(t, r.Daemon.Stop(t.Context()))
		must(t, r.StartDaemon(t.Context()))
		if s := keepsOut(t, ways(r, ada, adaPass)["su"]); !strings.Contains(s, "Too many wrong answers") {
			t.Errorf("the person is not told why:\n%s", s)
		}
		script(t, r, "sallyport unlock ada")
		lets(t, ways(r, ada, adaPass)["su"], ada)
	})
}

// Promise 7.
func TestWhatIsRevokedIsOut(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	lets(t, byKey(r, ada), ada)

	t.Run("a key that was removed", func(t *testing.T) {
		admin(t, r, "", "account", "remove-key", ada, "laptop")
		within(t, r, 2*time.Second+machine.Patience/10, func() error {
			if out, err := r.Run(t.Context(), "/usr/bin/sallyport-keys", ada); err != nil || out != "" {
				return fmt.Errorf("keys %q (%w)", out, err)
			}
			return nil
		})
		keepsOut(t, byKey(r, ada))
	})
	t.Run("an old password, online and offline", func(t *testing.T) {
		admin(t, r, "quite another password", "account", "set-password", ada)
		keepsOut(t, ways(r, ada, adaPass)["su"])
		lets(t, ways(r, ada, "quite another password")["su"], ada)
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		keepsOut(t, ways(r, ada, adaPass)["su"])
		lets(t, ways(r, ada, "quite another password")["su"], ada)
	})
	t.Run("an account disabled while the machine was away", func(t *testing.T) {
		admin(t, r, "", "account", "disable", ada) // the server is not running: beside it
		must(t, r.StartServer(t.Context()))
		must(t, r.WaitOnline(t.Context()))
		for name, try := range ways(r, ada, "quite another password") {
			t.Run(name, func(t *testing.T) { keepsOut(t, try) })
		}
		out, err := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada)
		if err == nil || !strings.Contains(out, "disabled") {
			t.Errorf("explain: %v\n%s", err, out)
		}
		out = script(t, r, "sallyport status --json || true")
		if !strings.Contains(out, `"verifiers": 0`) {
			t.Errorf("a verifier of a disabled account is kept:\n%s", out)
		}
	})
}
