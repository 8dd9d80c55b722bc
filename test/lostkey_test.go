package test

import (
	"strings"
	"testing"
)

// TestAMachineThatLostItsSealingKeyNeedsOneLogin: what was remembered under the old key
// cannot be checked any more. That is said, and is no wrong password.
// Promise seal-named-key.
func TestAMachineThatLostItsSealingKeyNeedsOneLogin(t *testing.T) {
	r := joined(t)
	su := ways(r, ada, adaPass)["su"]
	lets(t, su, ada)
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	lets(t, su, ada)
	r.Daemon.Kill()
	<-r.Daemon.Done()
	script(t, r, "rm /var/lib/sallyport/seal.key")
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	for range 6 { // more than lock
		keepsOut(t, su)
	}
	out := keepsOut(t, su)
	if !strings.Contains(out, "sealing key") || !strings.Contains(out, "log in once") {
		t.Errorf("ada is told %q", out)
	}
	if out := script(t, r, "sallyport explain ada || true"); strings.Contains(out, "offline: works") || strings.Contains(out, "wrong attempts") || strings.Contains(out, "locked") {
		t.Errorf("explain says\n%s", out)
	}
	must(t, r.StartServer(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	lets(t, su, ada)
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	lets(t, su, ada)
}
