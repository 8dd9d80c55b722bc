package clients

import (
	"strings"
	"testing"
)

// banned is an action of fail2ban that writes down whom it shuts out, and nothing else.
const banned = "[Definition]\nactionban = echo <ip> >>/var/tmp/banned\nactionunban = true\n"

// jail looks at the journal; this machine's own addresses count here.
const jail = "[DEFAULT]\nignoreself = false\nbackend = systemd\nbanaction = written\nmaxretry = 3\n[sshd]\nenabled = true\n"

// Whoever guesses over the network is shut out by fail2ban, by sshd's own lines.
// Promise clients-fail2ban.
func TestFail2banShutsOutWhoGuessesOverSSH(t *testing.T) {
	h := joined(t, wants{
		units: []string{"ssh"},
		files: map[string]string{"/etc/fail2ban/action.d/written.conf": banned, "/etc/fail2ban/jail.local": jail},
	})
	h.in("systemctl start fail2ban")
	h.untilIn("fail2ban-client status sshd")
	for range 3 {
		c, err := h.At(t.Context(), "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o NumberOfPasswordPrompts=1 -o PubkeyAuthentication=no ada@127.0.0.1 true")
		must(t, err)
		must(t, c.Talk(t.Context(), "assword: ", "a guess"))
		_, code, err := c.Wait(t.Context())
		must(t, err)
		if code == 0 {
			t.Error("a guess is right")
		}
	}
	h.untilIn("grep -x 127.0.0.1 /var/tmp/banned")
}

// What guesses at a mail server is in our own line, with the host that it came from: the
// page has the filter.
// Promise clients-fail2ban.
func TestFail2banReadsOurOwnLine(t *testing.T) {
	p := programs()[mail]
	p.files = map[string]string{"/etc/fail2ban/filter.d/sallyport.conf": readPage(t, "docs/jobs.md").block("fail2ban", "[Definition]")}
	h := joined(t, p.wants)
	p.enters(h, ada, adaPass)
	for range 2 {
		p.refuses(h, ada, "a guess")
	}
	p.refuses(h, "nobodyhere", "a guess")
	out := h.in("fail2ban-regex --print-all-matched systemd-journal /etc/fail2ban/filter.d/sallyport.conf")
	if !strings.Contains(out, "3 matched") || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("it reads:\n%s", out)
	}
}
