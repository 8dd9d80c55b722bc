package test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// TestAMachineIsScopedShutOutAndJoinedAnew: what an administrator does about a machine
// that holds too much, or that somebody took over, by the commands.
// Promise machine-quarantine.
func TestAMachineIsScopedShutOutAndJoinedAnew(t *testing.T) {
	r := joined(t)
	su := ways(r, ada, adaPass)["su"]
	lets(t, su, ada)
	lets(t, byKey(r, ada), ada)
	admin(t, r, "", "account", "add", "eve")
	admin(t, r, adaPass, "account", "set-password", "eve")
	script(t, r, "getent passwd eve")

	admin(t, r, "", "machine", "set", "laptop", "--admits", "admins")
	must(t, r.WaitOnline(t.Context()))
	within(t, r, machine.Patience, func() error {
		_, err := r.Script(t.Context(), "! getent passwd eve")
		return err
	})
	keepsOut(t, ways(r, "eve", adaPass)["su"])
	lets(t, su, ada)

	// Shut out: nothing of the server's, and what is remembered goes on.
	admin(t, r, "", "machine", "quarantine", "laptop")
	must(t, r.WaitOffline(t.Context()))
	if out := script(t, r, "sallyport status || true"); !strings.Contains(out, "quarantine") {
		t.Errorf("status does not say why:\n%s", out)
	}
	lets(t, su, ada)
	admin(t, r, "", "machine", "release", "laptop")
	must(t, r.WaitOnline(t.Context()))

	// Joined anew: the same machine with a new key, and an administrator's settings stay.
	script(t, r, `cp -p /var/lib/sallyport/machine.key /tmp/old.key
		sed -i 's/^\[login\]$/[login]\nfail_delay = "7ms"/' /etc/sallyport/sallyportd.toml`)
	var again struct{ Code, Fingerprint string }
	must(t, json.Unmarshal([]byte(admin(t, r, "", "machine", "rejoin", "laptop", "--json")), &again))
	script(t, r, "sallyport "+strings.Join(r.JoinWords(t.Context(), again.Code, again.Fingerprint), " "))
	script(t, r, "grep -q 7ms /etc/sallyport/sallyportd.toml; ! cmp -s /tmp/old.key /var/lib/sallyport/machine.key")
	r.Daemon.Kill()
	<-r.Daemon.Done()
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	lets(t, su, ada)

	// A copy with the old key is nobody.
	r.Daemon.Kill()
	<-r.Daemon.Done()
	script(t, r, "cp /var/lib/sallyport/machine.key /tmp/new.key; cp /tmp/old.key /var/lib/sallyport/machine.key; chown sallyport: /var/lib/sallyport/machine.key")
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOffline(t.Context()))
}
