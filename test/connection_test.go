package test

import (
	"strings"
	"testing"
)

// What Ansible does: many commands in one connection, a new terminal or none for each.
// Promise proof-session.
func TestAProofOfAConnectionServesAllItsCommands(t *testing.T) {
	r := configured(t, "[service.sudo]\nproof_scope = \"session\"")
	said := script(t, r, `
		options='-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes'
		at() { ssh $options -o ControlPath=/run/$1.control `+ada+`@127.0.0.1 "$2" 2>/dev/null || echo "refused"; }
		connect() { ssh $options -o ControlMaster=yes -o ControlPath=/run/$1.control -fN -i `+adaKey+` `+ada+`@127.0.0.1; }
		connect one; connect two
		again="sudo -S -p '' id -un </dev/null"
		echo before; at one "$again"
		echo first; echo '`+adaPass+`' | at one "sudo -S -p '' id -un"
		echo again; at one "$again"; at one "sudo -S -p '' -i id -un </dev/null"
		echo terminal; ssh $options -tt -o ControlPath=/run/one.control `+ada+`@127.0.0.1 "$again" </dev/null || echo refused
		echo other; at two "$again"
		ssh $options -O exit -o ControlPath=/run/one.control `+ada+`@127.0.0.1 2>/dev/null
		connect three
		echo later; at three "$again"`)
	said = strings.ReplaceAll(said, "\r", "")
	const refused = "refused\n"
	if want := "before\n" + refused + "first\nroot\nagain\nroot\nroot\nterminal\nroot\nother\n" + refused + "later\n" + refused; said != want {
		t.Errorf("got:\n%s\nwant:\n%s", said, want)
	}
	why := script(t, r, `
		echo '%admins ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admins
		ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i `+adaKey+` `+ada+`@127.0.0.1 'sudo id' </dev/null 2>&1 || true`)
	mentions(t, why, "A fresh proof is needed, and nobody can be asked here.", "Use a terminal (ssh -t).")
}
