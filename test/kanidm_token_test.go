package test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Promise clients-renewed.
func TestAServiceAccountsTokenIsReadAgainByAReload(t *testing.T) {
	w := kanidmServer(t, bare(t))
	w.newKey(t)
	token := func(text string) {
		t.Helper()
		script(t, w.Realm, "rm -f /etc/sallyport/kanidm.token; (umask 077; echo "+text+" > /etc/sallyport/kanidm.token); chown sallyport /etc/sallyport/kanidm.token")
	}
	token("service")
	must(t, w.WriteFile("/etc/sallyport/sallyportd.toml", w.provider(`token = "/etc/sallyport/kanidm.token"`)+
		"[machine]\nid = \"6c9d2f0e-3a1b-4f6d-9d5e-0c2f5a7b8e11\"\n[login]\nallow = [\"*\"]\n[lookup]\nrefresh = \"1s\"\n", 0o644))
	must(t, w.StartDaemon(t.Context()))
	says := func(want string) {
		t.Helper()
		within(t, w.Realm, machine.Patience, func() error {
			script(t, w.Realm, "getent passwd bob nobodyhere || true") // such a server is heard of when it is asked
			if out := w.status(t); !strings.Contains(out, want) {
				return fmt.Errorf("status does not say %q:\n%s", want, out)
			}
			return nil
		})
	}
	says("online for")
	token("revoked")
	lets(t, ways(w.Realm, "bob", bobPass)["su"], "bob")
	says("online for")
	must(t, w.Daemon.Signal(syscall.SIGHUP))
	must(t, ready(t, w.Realm, "the settings are read anew"))
	says("token")
	token("service")
	must(t, w.Daemon.Signal(syscall.SIGHUP))
	says("online for")
}
