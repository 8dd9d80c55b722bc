package desktop

import (
	"testing"
)

// xrdp is reached by FreeRDP in a window of its own, as from another machine. Its X server
// runs on this one, and people get Openbox.
func xrdp() manager {
	return manager{
		unit:     "remote",
		enabled:  []string{"xrdp.service", "xrdp-sesman.service"},
		question: "username",
		files: map[string]string{
			"/etc/X11/xorg.conf.d/10-dummy.conf": "",
			"/etc/xrdp/startwm.sh":               "#!/bin/sh\nexec openbox-session\n",
			"/etc/xdg/openbox/autostart":         "xterm -fa Monospace -fs 14 -geometry 80x20+0+0 &\n",
			// The client begins anew when a session has ended.
			"/lib/systemd/system/remote.service": `[Service]
ExecStart=/bin/sh -c 'Xvfb :20 -ac -nolisten tcp -screen 0 1024x768x24 & \
	sleep 1; \
	c=$(command -v xfreerdp3 || command -v xfreerdp); \
	until DISPLAY=:20 xset q >/dev/null; do :; done; \
	while DISPLAY=:20 $c /v:127.0.0.1 /cert:ignore /sec:tls /size:1024x768 -decorations; do :; done'
Environment=HOME=/root
Restart=always
RestartSec=1
`,
		},
		display: func(string) string { return "export DISPLAY=:20\n" },
	}
}

// calls opens the client anew, and waits for its questions.
func (s *seat) calls() {
	s.t.Helper()
	s.in("systemctl restart " + s.manager.unit)
	s.sees(greeter, s.manager.question)
}

// fillsIn types a name and a password into xrdp's form.
func (s *seat) fillsIn(name, password string) {
	s.t.Helper()
	s.in(s.manager.display(name) + "xdotool mousemove 500 60; xdotool type --delay 40 -- '" + name + "'; xdotool key Tab; " +
		"xdotool type --delay 40 -- '" + password + "'; xdotool key Return")
}

// remote waits until the person's desktop is there, and ends it again.
func (s *seat) remote(name string) {
	s.t.Helper()
	s.sees(name, name+"@desk")
	s.in("loginctl list-sessions --no-legend | grep -w " + name)
	s.in("pkill -x -u " + name + " openbox")
	s.untilIn("! loginctl list-sessions --no-legend | grep -w " + name)
}

func TestPeopleSignInByXRDP(t *testing.T) {
	s := seated(t, xrdp())
	p := s.enrol()
	scene := func(name string, play func()) {
		s.run(name, func(*testing.T) {
			s.calls()
			play()
		})
	}
	refused := func(name, password string) {
		s.t.Helper()
		before := s.decisions()
		s.fillsIn(name, password)
		s.decided(before)
		s.sees(greeter, "login failed")
	}
	scene("a wrong password, and the right one", func() {
		refused(bob, "not bobs password")
		s.calls()
		s.fillsIn(bob, bobPass)
		s.remote(bob)
	})
	scene("a code behind the password, in one line", func() {
		refused(ada, adaPass)
		s.calls()
		refused(ada, adaPass+s.wrong(p))
		s.calls()
		s.fillsIn(ada, adaPass+s.code(p))
		s.remote(ada)
	})
	scene("the daemon is stopped, and a local person gets in", func() {
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.fillsIn(bob, bobPass)
		s.sees(greeter, "login failed")
		s.calls()
		s.fillsIn(lena, lenaPass)
		s.remote(lena)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
	})
	scene("offline", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		refused(bob, "not bobs password")
		s.calls()
		s.fillsIn(bob, bobPass)
		s.remote(bob)
	})
}
