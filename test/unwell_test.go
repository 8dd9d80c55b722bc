package test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// A person of the realm may be kept out when we are unwell, and is never let in
// for it.
// Promise 1.
func TestNobodyOfTheRealmIsLetInForAFault(t *testing.T) {
	for name, bring := range states() {
		if name == "all is well" || strings.HasPrefix(name, "server ") {
			continue // then the right password is right, also offline
		}
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			lets(t, ways(r, ada, adaPass)["su"], ada) // so that everything is remembered
			bring(t, r)
			for name, try := range ways(r, ada, adaPass) {
				t.Run(name, func(t *testing.T) { keepsOut(t, try) })
			}
			t.Run("ssh key", func(t *testing.T) { keepsOut(t, byKey(r, ada)) })
		})
	}
}

func TestADamagedDatabaseKeepsNobodyOutWhoIsOnline(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	must(t, r.Daemon.Stop(t.Context()))
	script(t, r, "rm -f /var/lib/sallyport/cache.db-*; head -c 20000 /dev/urandom > /var/lib/sallyport/cache.db; chown sallyport: /var/lib/sallyport/cache.db")
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	lets(t, ways(r, ada, adaPass)["su"], ada)
	lets(t, byKey(r, ada), ada)
	if out := script(t, r, "ls /var/lib/sallyport"); strings.Count(out, "cache.db") < 2 {
		t.Errorf("the damaged file is not kept aside:\n%s", out)
	}
	if out := script(t, r, "sallyport status || true"); !strings.Contains(out, "damaged") {
		t.Errorf("status does not tell:\n%s", out)
	}
	if !strings.Contains(r.Daemon.Output.String(), "aside") {
		t.Errorf("the log does not tell:\n%s", r.Daemon.Output)
	}
}

func TestAFullDiskKeepsNobodyOutWhoIsOnline(t *testing.T) {
	r := bare(t)
	ctx := t.Context()
	must(t, syscall.Mount("tmpfs", r.Path("/var/lib/sallyport"), "tmpfs", 0, "size=2m,mode=0700"))
	t.Cleanup(func() { _ = syscall.Unmount(r.Path("/var/lib/sallyport"), syscall.MNT_DETACH) })
	script(t, r, "chown sallyport: /var/lib/sallyport")
	must(t, r.StartServer(ctx))
	must(t, r.AddPerson(ctx, ada, adaPass, adaKey+".pub", "admins"))
	must(t, r.Join(ctx))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	must(t, r.StartSSHD(ctx))
	_, _ = r.Script(ctx, "dd if=/dev/zero of=/var/lib/sallyport/filler bs=1k 2>/dev/null")
	lets(t, ways(r, ada, adaPass)["ssh keyboard-interactive"], ada)
	lets(t, byKey(r, ada), ada)
	t.Run("and revocation still works", func(t *testing.T) {
		admin(t, r, "", "account", "disable", ada)
		within(t, r, machine.Patience, func() error {
			if out, err := r.Run(ctx, "/usr/bin/sallyport-keys", ada); err != nil || out != "" {
				return fmt.Errorf("keys %q (%w)", out, err)
			}
			return nil
		})
		keepsOut(t, ways(r, ada, adaPass)["ssh keyboard-interactive"])
	})
}

func TestTheDaemonHasNoRightsToLose(t *testing.T) {
	r := joined(t)
	status := script(t, r, fmt.Sprintf("cat /proc/%d/status", r.Daemon.Cmd.Process.Pid))
	for _, want := range []string{"Name:\tsallyportd\n", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, want) {
			t.Errorf("not %q:\n%s", want, status)
		}
	}
	if strings.Contains(status, "Uid:\t0") {
		t.Errorf("it runs as root:\n%s", status)
	}
}

func TestAMistypedConfigurationIsNamedByLineAndColumn(t *testing.T) {
	r := joined(t)
	script(t, r, "echo '[offlin]' >> /etc/sallyport/sallyportd.toml")
	lines := strings.Count(script(t, r, "cat /etc/sallyport/sallyportd.toml"), "\n")
	out, err := r.Run(t.Context(), "/usr/sbin/sallyportd", "--check")
	want := fmt.Sprintf(`/etc/sallyport/sallyportd.toml:%d:2: unknown key "offlin"; did you mean "offline"?`, lines)
	if err == nil || !strings.Contains(out, want) {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}
