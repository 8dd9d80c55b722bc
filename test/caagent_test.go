package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// agentUnit is the unit of the agent as docs/ssh.md has it.
func agentUnit(t *testing.T) string {
	t.Helper()
	root, err := machine.RepoRoot()
	must(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "ssh.md"))
	must(t, err)
	_, after, _ := strings.Cut(string(page), "sallyport-ca-agent.service`:\n\n   ```\n")
	unit, _, found := strings.Cut(after, "   ```\n")
	if !found {
		t.Fatal("docs/ssh.md has no unit of the agent")
	}
	return strings.ReplaceAll("\n"+unit, "\n   ", "\n")
}

// TestTheAgentOfTheManualKeepsTheKeysOfCertificates: its unit, with the PIN as a credential.
// Promise ca-agent-unit.
func TestTheAgentOfTheManualKeepsTheKeysOfCertificates(t *testing.T) {
	b := unpacked(t)
	in(t, b, `sallyport-server setup --yes --realm example
		module=/usr/lib/softhsm/libsofthsm2.so
		getent group softhsm || groupadd --system softhsm
		install -d -m 0755 /etc/softhsm; echo "directories.tokendir = /var/lib/softhsm/tokens" > /etc/softhsm/softhsm2.conf
		install -d -g softhsm -m 2770 /var/lib/softhsm /var/lib/softhsm/tokens
		softhsm2-util --init-token --free --label realm --pin 1234 --so-pin 5678
		for key in "EC:prime256v1 users 01" "rsa:3072 hosts 02"; do set -- $key
			pkcs11-tool --module $module --token-label realm --login --pin 1234 --keypairgen --key-type "$1" --label "$2" --id "$3" --usage-sign; done
		chmod -R g+rwX /var/lib/softhsm/tokens
		mkdir -p /etc/credstore.encrypted
		printf 1234 | systemd-creds encrypt --with-key=host --name=pin - /etc/credstore.encrypted/sallyport-ca-agent.pin
		printf '#!/bin/sh\nexec cat "$CREDENTIALS_DIRECTORY/pin"\n' > /usr/local/bin/sallyport-ca-pin; chmod 0755 /usr/local/bin/sallyport-ca-pin
		cat > /etc/systemd/system/sallyport-ca-agent.service <<'END'
`+agentUnit(t)+`
END
		systemctl daemon-reload; systemctl enable --now sallyport-ca-agent
		ssh-keygen -D $module | grep ' users$' > users.pub; ssh-keygen -D $module | grep ' hosts$' > hosts.pub
		sallyport-server keys rotate-ssh --users-key users.pub --hosts-key hosts.pub`)
	shows := func(want string) {
		t.Helper()
		if got := in(t, b, "sallyport-server keys show"); !strings.Contains(got, want) || strings.Count(got, "an ssh-agent keeps it") != 2 {
			t.Errorf("it does not show %q:\n%s", want, got)
		}
	}
	shows("has the keys, and signs")
	in(t, b, "systemctl restart sallyport-ca-agent sallyport-server")
	shows("has the keys, and signs")
	in(t, b, "systemctl stop sallyport-ca-agent; systemctl restart sallyport-server; systemctl is-active sallyport-server")
	shows("problem: the ssh-agent at /run/sallyport-ca-agent/agent.sock")
	mentions(t, in(t, b, "journalctl --no-pager -u sallyport-server"), "No ssh certificates are signed until this is mended")
	if out, err := b.In(t.Context(), "printf 9999 | systemd-creds encrypt --with-key=host --name=pin - /etc/credstore.encrypted/sallyport-ca-agent.pin; systemctl start sallyport-ca-agent"); err == nil {
		t.Errorf("an agent that has not the PIN starts: %s", out)
	}
	if out, err := b.In(t.Context(), "sallyport-server keys rotate-ssh"); err == nil {
		t.Errorf("the keys come back into the database without a word: %s", out)
	}
	if got := in(t, b, "sallyport-server keys rotate-ssh --into-database --emergency; sallyport-server keys show"); strings.Contains(got, "ssh-agent") {
		t.Errorf("back in the database:\n%s", got)
	}
}
