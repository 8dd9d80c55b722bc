package test

import (
	"strings"
	"testing"
)

// TestARealmWithoutItsFilesGoesOnOffline: a file of the realm that is missing at the
// daemon's start is no end of it: who is remembered logs in, status says what is missing,
// and once the file is back the machine is online, without a restart.
//
// Promise 19.
func TestARealmWithoutItsFilesGoesOnOffline(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada) // so that ada is remembered
	for file, says := range map[string]string{
		"/etc/sallyport/server-ca.pem":   "server-ca.pem",
		"/var/lib/sallyport/machine.key": "machine.key",
	} {
		must(t, r.Daemon.Stop(t.Context()))
		script(t, r, "mv "+file+" /root/kept")
		must(t, r.StartDaemon(t.Context()))
		if out := script(t, r, "sallyport status || true"); !strings.Contains(out, says) || !strings.Contains(out, "tries again by itself") {
			t.Errorf("without %s status says:\n%s", file, out)
		}
		if out := script(t, r, "sallyport explain "+ada+" || true"); !strings.Contains(out, says) {
			t.Errorf("without %s explain says:\n%s", file, out)
		}
		lets(t, ways(r, ada, adaPass)["su"], ada)
		keepsOut(t, ways(r, ada, "wrong")["su"])
		lets(t, byKey(r, ada), ada)
		script(t, r, "mv /root/kept "+file)
		must(t, r.WaitOnline(t.Context()))
		lets(t, ways(r, ada, adaPass)["su"], ada)
	}
}
