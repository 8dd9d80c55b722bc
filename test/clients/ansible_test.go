package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// page has the settings and commands of a page of the manual, each by its section and its
// first word: they are what is run here.
type page struct {
	t      *testing.T
	blocks map[string]string
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	root, err := machine.RepoRoot()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	all := map[string]string{}
	var section, block string
	for line := range strings.Lines(string(text) + "\n") {
		title, isTitle := strings.CutPrefix(line, "## ")
		code, isCode := strings.CutPrefix(line, "    ")
		switch {
		case isTitle:
			section = strings.TrimSpace(title)
		case isCode:
			block += code
		case block != "":
			all[section+"|"+strings.Fields(block)[0]] = block
			block = ""
		}
	}
	return page{t, all}
}

// block is one of them, which must be there.
func (p page) block(section, first string) string {
	p.t.Helper()
	text := p.blocks[section+"|"+first]
	if text == "" {
		p.t.Fatalf("the page has no %q in its section %q", first, section)
	}
	return text
}

const (
	ansiblePage = "docs/ansible.md"

	whoSits  = "A person's own account, who types their password at the start"
	noProof  = "No proof for sudo at all"
	playbook = "ansible-playbook"
)

// site becomes root in two tasks, each a sudo of its own, and leaves root's files behind.
const site = `- hosts: all
  gather_facts: false
  tasks:
    - command: touch /var/tmp/first
      become: true
    - command: id -un
    - copy: {content: "x", dest: /var/tmp/second}
      become: true
`

// controlled is a machine that Ansible logs in to, with what the page sets.
func controlled(t *testing.T, settings string) *host {
	t.Helper()
	h := joined(t, wants{
		settings: settings,
		units:    []string{"ssh"},
		files: map[string]string{
			"/root/site.yml": site,
			"/root/hosts":    "desk ansible_host=127.0.0.1 ansible_ssh_private_key_file=" + adaKey + "\n",
			// Where there is no terminal, and "sudo -n" of the second task.
			"/root/ansible.cfg": "[defaults]\ninventory = /root/hosts\nhost_key_checking = false\n",
		},
	})
	h.untilIn("sallyport-keys " + ada + " | grep -q ssh-ed25519 && sallyport-keys " + carol + " | grep -q ssh-ed25519")
	return h
}

// plays runs a command of the page as somebody, and tells whether all tasks went well.
func (h *host) plays(command, who, word string) (string, bool) {
	h.t.Helper()
	command = strings.TrimSpace(strings.Replace(command, "--user ada", "--user "+who, 1))
	h.in("rm -f /var/tmp/first /var/tmp/second")
	c, err := h.At(h.t.Context(), "cd /root; "+command+" && echo ended with 0 || echo ended with 1")
	must(h.t, err)
	defer c.Hangup()
	if strings.Contains(command, "--ask-become-pass") {
		must(h.t, c.Talk(h.t.Context(), "BECOME password: ", word))
	}
	_, err = c.Expect(h.t.Context(), "ended with ")
	must(h.t, err)
	screen, _, err := c.Wait(h.t.Context())
	must(h.t, err)
	all := strings.Contains(screen, "ended with 0")
	_, err = h.In(h.t.Context(), "test $(stat -c %U /var/tmp/first) = root; test $(stat -c %U /var/tmp/second) = root")
	if all != (err == nil) {
		h.t.Errorf("Ansible ended well: %t, but its files: %v\n%s", all, err, screen)
	}
	return screen, all
}

func (h *host) playsWell(command, who, word string) {
	h.t.Helper()
	if screen, well := h.plays(command, who, word); !well {
		h.t.Errorf("%s's playbook failed:\n%s", who, screen)
	}
}

func (h *host) playFails(command, who, word string) {
	h.t.Helper()
	if screen, well := h.plays(command, who, word); well {
		h.t.Errorf("%s's playbook succeeded:\n%s", who, screen)
	}
}

// An administrator runs a playbook that becomes root twice, and types one password.
// Promise clients-ansible.
func TestAnsibleBecomesRootAsThePageSays(t *testing.T) {
	p := readPage(t, ansiblePage)
	settings, run := p.block(whoSits, "[service.sudo]"), p.block(whoSits, playbook)
	keep := p.block(whoSits, "[ssh_connection]")
	h := controlled(t, settings)
	h.scene("with a password", func() {
		h.playFails(run, ada, "not her password")
		h.in("pkill -u " + ada + " sshd || true")
		h.playsWell(run, ada, adaPass)
	})
	h.scene("with a password and a code in one line", func() {
		h.in("cat >>/root/ansible.cfg <<'EOF'\n" + keep + "EOF")
		h.playFails(run, carol, carolPas)
		h.in("pkill -u " + carol + " sshd || true")
		h.playsWell(run, carol, carolPas+h.code())
	})
	h.scene("the connection is kept, and so is the proof", func() { h.playsWell(run, carol, "anything") })
	h.scene("offline", func() {
		h.in("pkill -u " + ada + " sshd; pkill -u " + carol + " sshd; true")
		h.offline()
		h.playFails(run, ada, "not her password")
		h.playsWell(run, ada, adaPass)
		h.playsWell(run, carol, carolPas+h.code())
	})
}

// Without any setting each task is asked, and Ansible answers each with the password.
// Promise clients-ansible.
func TestAnsibleWithAPasswordNeedsNoSetting(t *testing.T) {
	h := controlled(t, "")
	run := readPage(t, ansiblePage).block(whoSits, playbook)
	h.playsWell(run, ada, adaPass)
	h.playFails(run, carol, carolPas+h.code()) // its code is good for the first task alone
}

// A playbook that starts by itself is asked for nothing.
// Promise clients-ansible.
func TestAnsibleWithoutAPasswordAsThePageSays(t *testing.T) {
	p := readPage(t, ansiblePage)
	run := p.block(noProof, playbook)
	h := controlled(t, p.block(noProof, "[service.sudo]"))
	h.playFails(run, ada, "")
	h.in("echo '%crew ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/crew")
	h.playsWell(run, ada, "")
	h.playsWell(run, carol, "")
}
