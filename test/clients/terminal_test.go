package clients

import (
	"strings"
	"testing"
)

// At a terminal of an ssh session a person runs a command, and is asked by it. Each is
// keyed by what they expect; it says "I am NAME" where it lets them.
func commands() map[string]asking {
	return map[string]asking{
		"sudo-rs makes me root": {command: `sudo-rs sh -c 'echo I" "am $(id -un)'`, only: "trixie", becomes: "root"},
		"doas makes me root":    {command: `doas sh -c 'echo I" "am $(id -un)'`, becomes: "root"},
		// pkexec's own agent for a terminal does not work over ssh, also for local accounts
		// ("No session for cookie"); polkit's own does.
		"pkexec makes me root":               {command: `` + agent + `pkexec --disable-internal-agent sh -c 'echo I" "am $(id -un)'`, becomes: "root", hides: true},
		"run0 makes me root":                 {command: `run0 sh -c 'echo I" "am $(id -un)'`, only: "trixie", becomes: "root", hides: true},
		"machinectl shell makes me root":     {command: `machinectl -q shell root@.host /bin/sh -c 'echo I" "am $(id -un)'`, becomes: "root", hides: true},
		"su makes me lena by her password":   {command: `su lena -c 'echo I" "am $(id -un)'`, becomes: lena, word: lenaPass},
		"pkcheck asks at a terminal's agent": {command: `` + agent + `pkcheck --process $$ --action-id org.freedesktop.hostname1.set-hostname -u && echo I" "am root`, becomes: "root", hides: true},
		"vlock gives my terminal back to me": {command: `vlock -c && echo I" "am $(id -un)`},
	}
}

// agent begins polkit's agent for this terminal, and waits until polkit knows it.
const agent = `{ pkttyagent --process $$ --notify-fd 3 3>&1 >/dev/tty & } | cat; `

// asking is a command that asks for a password.
type asking struct {
	command string
	only    string // the release that has the program, where one has not
	becomes string // who one is then; empty: oneself
	word    string // another's password that it asks for
	hides   bool   // it shows no letter of a code either
}

// asks runs the command as somebody and answers what it asks, and tells whether it let
// them. Where it asks for more than there are answers, they walk away.
func (h *host) asks(who string, a asking, answers ...string) (string, bool) {
	h.t.Helper()
	h.in("cat >/var/tmp/command <<'EOF'\n" + a.command + "\nEOF\nchmod 0755 /var/tmp/command; echo >/var/tmp/tty; chmod 0666 /var/tmp/tty")
	c, err := h.At(h.t.Context(), "export TERM=xterm; ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -tt -i "+
		adaKey+" "+who+"@127.0.0.1 'tty >/var/tmp/tty; sh /var/tmp/command && echo ended well || echo ended badly'")
	must(h.t, err)
	defer c.Hangup()
	for {
		seen, err := c.Expect(h.t.Context(), "assword: ", "assword for ada: ", "assword for carol: ", "code: ", "as (1-2): ", "ENTER]", "I am ", "ended")
		must(h.t, err)
		switch {
		case strings.HasSuffix(seen, "I am "):
			rest, err := c.Expect(h.t.Context(), "\n")
			must(h.t, err)
			want := a.becomes
			if want == "" {
				want = who
			}
			return c.Screen(), strings.HasPrefix(rest, want)
		case strings.HasSuffix(seen, "ended"):
			_, _, err := c.Wait(h.t.Context())
			must(h.t, err)
			return c.Screen(), false
		case strings.HasSuffix(seen, "as (1-2): "): // polkit's, of those who may
			must(h.t, c.Send(map[string]string{ada: "1", carol: "2"}[who]))
		case strings.HasSuffix(seen, "ENTER]"):
			must(h.t, c.Send(""))
		case len(answers) == 0:
			return c.Screen(), false
		default:
			// Some throw away what was typed before they turned the echo off.
			if a.hides || !strings.HasSuffix(seen, "code: ") {
				h.untilIn("stty -a -F $(cat /var/tmp/tty) | grep -qw -- -echo")
			}
			must(h.t, c.Send(answers[0]))
			answers = answers[1:]
		}
	}
}

func (h *host) askedWell(who string, a asking, answers ...string) {
	h.t.Helper()
	if screen, in := h.asks(who, a, answers...); !in {
		h.t.Errorf("%s is refused:\n%s", who, screen)
	}
}

func (h *host) askedInVain(who string, a asking, answers ...string) string {
	h.t.Helper()
	screen, in := h.asks(who, a, answers...)
	if in {
		h.t.Errorf("%s is let in:\n%s", who, screen)
	}
	return screen
}

// Promise clients-terminal.
func TestCommandsAtATerminalAskForAPassword(t *testing.T) {
	h := joined(t, wants{
		units: []string{"ssh", "polkit"},
		files: map[string]string{
			"/etc/doas.conf":                      "permit :crew\n",
			"/etc/polkit-1/rules.d/10-crew.rules": "polkit.addAdminRule(function() { return [\"unix-group:crew\"]; });\n",
		},
	})
	h.untilIn("sallyport-keys " + ada + " | grep -q ssh-ed25519 && sallyport-keys " + carol + " | grep -q ssh-ed25519")
	all, release := commands(), strings.TrimSpace(h.in(". /etc/os-release; echo $VERSION_CODENAME"))
	for expects, a := range all {
		if a.only != "" && a.only != release {
			delete(all, expects)
			continue
		}
		h.scene(expects, func() {
			if a.word != "" {
				h.askedInVain(ada, a, "not her password")
				h.askedWell(ada, a, a.word)
				return
			}
			h.askedInVain(ada, a, "not her password")
			h.askedWell(ada, a, adaPass)
			h.askedInVain(carol, a, carolPas, "000000")
			h.in("sallyport-server account unlock " + carol + server)
			h.askedWell(carol, a, carolPas, h.code())
		})
	}
	h.offline()
	for expects, a := range all {
		if a.word == "" {
			h.scene(expects+", offline", func() {
				h.askedInVain(ada, a, "not her password")
				h.askedWell(ada, a, adaPass)
				h.in("sallyport unlock " + ada)
			})
		}
	}
}
