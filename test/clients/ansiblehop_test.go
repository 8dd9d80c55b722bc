package clients

import (
	"strings"
	"testing"
)

// Ansible brings a file and runs a command by ssh that has no key of the person's own.
// Promise hop-programs.
func TestAnsibleLogsInWithAKeyForOneTime(t *testing.T) {
	h := joined(t, wants{units: []string{"ssh"}})
	h.in("sallyport-server keys rotate-ssh" + server + "; sallyport-server rule add crew --who crew --effect grant" + server)
	h.untilIn("test -s /var/lib/sallyport/ssh/ssh_host_ed25519_key-cert.pub") // the realm knows the host's keys
	// Ada signs in, so that the server knows who asks, and has a session with a runtime folder.
	h.in("loginctl enable-linger " + ada)
	c, err := h.At(t.Context(), "runuser -u "+lena+" -- su - "+ada+" -c 'echo signed in'")
	must(t, err)
	must(t, c.Talk(t.Context(), "assword: ", adaPass))
	_, err = c.Expect(t.Context(), "signed in")
	must(t, err)
	c.Hangup()
	h.untilIn("test -d /run/user/$(id -u " + ada + ")")
	h.in(`cat >/srv/site.yml <<'EOF'
- hosts: all
  gather_facts: false
  tasks:
    - copy: {content: "x", dest: /var/tmp/by-ansible}
    - command: id -un
      register: who
    - debug: {msg: "I am {{ who.stdout }}"}
EOF
		chmod 0644 /srv/site.yml`)
	play := func(how, vars string) {
		t.Helper()
		h.in("rm -f /var/tmp/by-ansible")
		out, err := h.In(t.Context(), "cd /srv; runuser -u "+ada+" -- env HOME=$(getent passwd "+ada+" | cut -d: -f6) ansible-playbook -i desk, "+vars+" site.yml </dev/null")
		if err != nil || !strings.Contains(out, "I am "+ada) {
			t.Errorf("%s: %v\n%s", how, err, out)
		}
		h.in("test $(stat -c %U /var/tmp/by-ansible) = " + ada)
	}
	play("sallyport-ssh", "-e ansible_ssh_executable=/usr/bin/sallyport-ssh")
	h.in(`home=$(getent passwd ` + ada + ` | cut -d: -f6); install -d -o ` + ada + ` -m 0700 "$home/.ssh"
		runuser -u ` + ada + ` -- sallyport ssh-config desk >"$home/.ssh/config"`)
	play("plain ssh", "")
}
