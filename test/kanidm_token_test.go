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

// Promise kanidm-migration-files.
func TestAMachineThatHadKanidmUnixdGoesOnWithItsSettings(t *testing.T) {
	w, ctx := kanidmServer(t, bare(t)), t.Context()
	r := w.Realm
	must(t, w.WriteFile("/etc/kanidm/config", fmt.Sprintf("uri = %q\nca_path = %q\n", w.server.URL, kanidmCA), 0o644))
	must(t, w.WriteFile("/etc/kanidm/token", "service\n", 0o600))
	must(t, w.WriteFile("/etc/kanidm/unixd", `version = '2'
default_shell = "/bin/bash"
home_attr = "name"
[kanidm]
pam_allowed_login_groups = ["crew"]
service_account_token_path = "/etc/kanidm/token"
[[kanidm.map_group]]
local = "wheel"
with = "crew"
`, 0o644))
	script(t, r, `groupadd wheel; echo '%wheel ALL=(ALL) ALL' > /etc/sudoers.d/wheel; chmod 0440 /etc/sudoers.d/wheel`)
	files := "cd /; for f in etc/sallyport/* var/lib/sallyport/*; do [ ! -e $f ] || stat -c '%n %U %a' $f; done"
	before := script(t, r, files)
	script(t, r, "sallyport migrate kanidm-unixd --dry-run")
	if after := script(t, r, files); after != before {
		t.Errorf("--dry-run wrote:\n%s", after)
	}
	out := script(t, r, "sallyport migrate kanidm-unixd")
	if !strings.Contains(out, "sallyportd.toml is written") {
		t.Errorf("migrate says\n%s", out)
	}
	for _, want := range []string{
		"etc/sallyport/sallyportd.toml root 644", "etc/sallyport/server-ca.pem root 644", "etc/sallyport/kanidm.token sallyport 600",
		"var/lib/sallyport/machine.key sallyport 600",
	} {
		if got := script(t, r, files); !strings.Contains(got, want+"\n") {
			t.Errorf("want %s among\n%s", want, got)
		}
	}
	if out := script(t, r, "sallyport migrate kanidm-unixd 2>&1 || :"); !strings.Contains(out, "is there already") {
		t.Errorf("the second time it says\n%s", out)
	}
	must(t, r.StartDaemon(ctx))
	must(t, r.StartSSHD(ctx))
	for name, try := range ways(r, bobSPN, bobPass) {
		t.Run(name, func(t *testing.T) { lets(t, try, bobSPN) }) // what kanidm-unixd calls him, unless its file says otherwise
	}
	lets(t, bySudo(r, bobSPN, bobPass), "root")
	if n := w.server.Count("POST /v1/auth"); n != 0 {
		t.Errorf("the anonymous session was asked for %d times, beside the service account's token", n)
	}
}
