package desktop

import (
	"strings"
	"testing"
)

// xrdp is reached by FreeRDP in a window of its own, as from another machine. Its X server
// runs on this one, and people get Openbox.
func xrdp() manager {
	return manager{
		unit:     "remote",
		enabled:  []string{"xrdp.service", "xrdp-sesman.service"},
		question: "sesman connect", // in the log of a refusal, which the one who is named at first meets
		files: map[string]string{
			"/etc/X11/xorg.conf.d/10-dummy.conf": "",
			"/etc/xrdp/startwm.sh":               "#!/bin/sh\nexec openbox-session\n",
			"/etc/xdg/openbox/autostart":         "xterm -fa Monospace -fs 20 -geometry 50x12+0+0 &\n",
			"/etc/remote":                        "WHO=stranger\nWORD=x\n",
			// The client gives name and password.
			"/lib/systemd/system/remote.service": `[Unit]
StartLimitIntervalSec=0

[Service]
EnvironmentFile=/etc/remote
ExecStartPre=/bin/sh -c 'chmod +x /etc/xrdp/startwm.sh; id -nG xrdp | grep -qw ssl-cert || { usermod -aG ssl-cert xrdp; systemctl restart xrdp; }'
ExecStart=/bin/sh -c 'Xvfb :20 -ac -nolisten tcp -screen 0 1024x768x24 & \
	c=$(command -v xfreerdp3 || command -v xfreerdp); \
	until DISPLAY=:20 xset q >/dev/null; do :; done; \
	until ss -tln | grep -q :3389; do :; done; \
	DISPLAY=:20 $c /v:127.0.0.1 /cert:ignore /sec:tls "/u:$$WHO" "/p:$$WORD" /d:desk /size:1024x768 -decorations; sleep infinity'
Environment=HOME=/root
`,
		},
		display: func(string) string { return "export DISPLAY=:20\n" },
	}
}

// noReason is what xrdp says of a refusal: releases before 0.10, and later ones.
func noReason() []string { return []string{"login failed", "could not be"} }

// calls opens the client for a person, and gives xrdp a name and a password.
func (s *seat) calls(name, password string) {
	s.t.Helper()
	s.in("printf 'WHO=%s\\nWORD=\"%s\"\\n' " + name + " '" + password + "' >/etc/remote; systemctl restart " + s.manager.unit)
}

// remote waits until the person's desktop is there, and ends it again.
func (s *seat) remote(name string) {
	s.t.Helper()
	s.untilIn("pgrep -x -u " + name + " xterm")
	s.sees(name, "@desk", "desk:")
	s.in("loginctl list-sessions --no-legend | grep -w " + name)
	s.in("pkill -x -u " + name + " openbox")
	s.untilIn("! loginctl list-sessions --no-legend | grep -w " + name)
}

// Promise screen-xrdp.
func TestPeopleSignInByXRDP(t *testing.T) {
	s := seated(t, xrdp())
	p := s.enrol()
	s.offlineCodes()
	s.absent()
	s.expired()
	scene := func(name string, play func()) { s.run(name, func(*testing.T) { play() }) }
	refused := func(name, password string) {
		s.t.Helper()
		before := s.decisions()
		s.calls(name, password)
		s.decided(before)
		s.sees(name, noReason()...)
	}
	reason := func(text string) { s.in("journalctl -b -u xrdp-sesman --no-pager | grep '" + text + "'") }
	// proves is for a reason that nobody at another host is told without having proved a
	// password. Some releases of xrdp say from where somebody calls, and some do not.
	proves := func(name, text string) {
		if strings.Contains(s.in("journalctl -b -u sallyportd --no-pager | grep 'msg=decided.*account="+name+" ' | tail -n 1"), " host=") {
			s.in("journalctl -b -u xrdp-sesman --no-pager | { ! grep '" + text + "'; }")
			return
		}
		reason(text)
	}
	enters := func(name, password string) {
		s.t.Helper()
		s.calls(name, password)
		s.remote(name)
	}
	scene("a wrong password, and the right one", func() {
		refused(bob, "not bobs password")
		enters(bob, bobPass)
	})
	scene("a code behind the password, in one line", func() {
		refused(ada, adaPass) // xrdp asks for no code
		refused(ada, adaPass+s.wrong(p))
		enters(ada, adaPass+s.code(p))
	})
	scene("a password that must be changed: the reason is in the journal", func() {
		s.mustChange()
		s.calls(bob, bobPass)
		s.sees(bob, append(noReason(), "is not authorized")...)
		reason("Your password must be changed now.")
		s.in("sallyport explain bob | grep 'must be changed at the next login'")
		s.in("sallyport-server account set bob --must-change=false" + server)
	})
	scene("an account that is disabled, and one that has expired", func() {
		s.in("sallyport-server account disable bob" + server)
		refused(bob, bobPass)
		reason(disabled)
		refused(olga, adaPass)
		reason("This account has expired. Ask your administrator.")
		s.in("sallyport-server account enable bob" + server)
		enters(bob, bobPass)
	})
	scene("the daemon is stopped, and a local person gets in", func() {
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.calls(bob, bobPass)
		s.sees(bob, noReason()...)
		enters(lena, lenaPass)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
	})
	scene("offline", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		refused(bob, "not bobs password")
		enters(bob, bobPass)
	})
	scene("offline, with a code, and where no code can be checked", func() {
		enters(ada, adaPass+s.code(p))
		refused(cleo, adaPass)
		proves(cleo, needsCode)
		s.in("sallyport explain cleo | tr -s '\\n ' ' ' | grep '" + needsCode + "'")
	})
	scene("too many wrong answers", func() {
		for range tries {
			refused(bob, "not bobs password")
		}
		refused(bob, bobPass)
		proves(bob, "Too many wrong answers. Try again in")
	})
}
