package desktop

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// greetd runs agreety, its greeter for a terminal, on /dev/tty7, and a shell for a person.
func greetd() manager {
	return manager{
		program:  "/usr/sbin/greetd",
		unit:     "greetd",
		enabled:  []string{"greetd.service"},
		question: "desk login",
		terminal: 7,
		files: map[string]string{
			"/etc/greetd/config.toml": "[terminal]\nvt = 7\n[default_session]\ncommand = \"/usr/sbin/agreety --cmd /bin/bash\"\nuser = \"_greetd\"\n",
		},
	}
}

// getty is a plain console: agetty(8) and login(1) on /dev/tty3.
func getty() manager {
	return manager{
		unit:     "getty@tty3",
		question: "desk login",
		terminal: 3,
		files:    map[string]string{},
	}
}

// readTerminal returns what stands on a virtual terminal. Its columns are not in vcs(4), which has
// lines of one length.
func readTerminal(n int) (string, error) {
	screen, err := os.ReadFile("/dev/vcs" + strconv.Itoa(n))
	if err != nil {
		return "", fmt.Errorf("read a terminal: %w", err)
	}
	return strings.Join(strings.Fields(string(bytes.ReplaceAll(screen, []byte{0}, []byte{' '}))), " "), nil
}

// typeAtTerminal puts letters into a terminal's input, as its keyboard does.
func typeAtTerminal(n int, letters string) error {
	tty, err := os.OpenFile("/dev/tty"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("type at a terminal: %w", err)
	}
	defer tty.Close()
	for _, c := range []byte(letters) {
		if err := unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSTI, int(c)); err != nil {
			return fmt.Errorf("type at a terminal: %w", err)
		}
	}
	return nil
}

// asks waits until somebody is asked for something. At a terminal what was asked before
// stands above it.
func (s *seat) asks(what string) {
	s.t.Helper()
	s.watches(greeter, "asking for "+what, func(screen string) bool {
		return shows(screen, what) && (s.manager.terminal == 0 || strings.HasSuffix(strings.TrimRight(screen, ": "), what))
	})
}

// clears takes what stands on a terminal away, so that what is read next is new.
func (s *seat) clears() {
	s.t.Helper()
	must(s.t, os.WriteFile("/dev/tty"+strconv.Itoa(s.manager.terminal), []byte("\033[2J\033[H"), 0))
}

// Promise screen-offline, screen-new-password.
// Promise screen-refusal.
// Promise screen-offline-code.
// Promise screen-left-open.
func TestPeopleSignInAtATerminal(t *testing.T) {
	for name, by := range map[string]manager{"greetd": greetd(), "getty": getty()} {
		t.Run(name, func(t *testing.T) { atTerminal(t, by) })
	}
}

// scenesAtTerminal are scenes at a program that a terminal has, which begins anew for each.
func scenesAtTerminal(t *testing.T, by manager) (s *seat, scene func(name string, play func())) {
	t.Helper()
	s = seated(t, by)
	return s, func(name string, play func()) {
		t.Helper()
		s.run(name, func(*testing.T) {
			s.in("systemctl stop " + s.manager.unit)
			s.clears()
			s.in("systemctl reset-failed; systemctl start " + s.manager.unit)
			play()
		})
	}
}

// entered waits for a person's shell.
func (s *seat) entered(name string) {
	s.t.Helper()
	s.sees(name, name+"@desk")
	s.untilIn("loginctl list-sessions --no-legend | grep -w " + name + " | grep -w seat0")
}

// exits ends a person's shell.
func (s *seat) exits(name string) {
	s.t.Helper()
	s.types(name, "exit")
	s.untilIn("! loginctl list-sessions --no-legend | grep -w " + name + " | grep -w seat0")
}

func atTerminal(t *testing.T, by manager) {
	s, scene := scenesAtTerminal(t, by)
	p := s.enrol()
	s.vaulted()
	s.offlineCodes()
	s.absent()
	// refuses signs in wrongly, and waits for the reason.
	refuses := func(reason, name string, answers ...string) {
		s.signIn(name, answers...)
		s.sees(greeter, reason)
	}
	enters := func(name string, answers ...string) {
		s.signIn(name, answers...)
		s.entered(name)
	}
	leaves := s.exits
	scene("a wrong password, and the right one behind it", func() {
		refuses(refused, bob, "assword", "not bobs password")
		enters(bob, "assword", bobPass)
		leaves(bob)
	})
	scene("a code, and the group that it earns", func() {
		refuses("Wrong code. Each code is good once.", ada, "assword", adaPass, "One-time code", s.wrong(p))
		enters(ada, "assword", adaPass, "One-time code", s.code(p))
		s.types(ada, "id -Gn >/var/tmp/groups; mv /var/tmp/groups /var/tmp/told")
		s.untilIn("test -e /var/tmp/told")
		if groups := strings.Fields(s.in("cat /var/tmp/told")); slices.Contains(groups, vault) != (by.program == "") {
			s.t.Errorf("the session has the groups %q", groups)
		}
		leaves(ada)
	})
	scene("a password that must be changed", func() {
		s.mustChange()
		if by.program != "" { // greetd asks for no new password
			refuses("Your password must be changed now.", bob, "assword", bobPass)
			s.in("printf '" + bobNext + "\\n' | sallyport-server account set-password bob" + server)
			return
		}
		enters(bob, "assword", bobPass, "Current password", bobPass, "New password", bobNext, "Retype new password", bobNext)
		leaves(bob)
	})
	scene("the daemon is started anew under an open prompt", func() {
		s.signIn(bob)
		s.sees(bob, "assword")
		s.in("systemctl restart sallyportd")
		s.online()
		s.types(bob, bobNext)
		s.sees(bob, "bob@desk")
		leaves(bob)
	})
	scene("the prompt was left open", func() {
		s.thinks("4s")
		s.signIn(bob)
		s.sees(bob, "assword")
		s.letGo()
		s.types(bob, bobNext)
		s.entered(bob)
		leaves(bob)
		s.thinks("5m")
	})
	scene("the daemon is stopped, and a local person gets in", func() {
		s.in("systemctl stop sallyportd.socket sallyportd")
		refuses("Sallyport is not running, so this account cannot be checked.", bob, "assword", bobNext)
		enters(lena, "assword", lenaPass)
		leaves(lena)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
	})
	scene("offline", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		refuses(needsCode, cleo)
		refuses("ncorrect", bob, "assword", "not bobs password")
		enters(bob, "assword", bobNext)
		leaves(bob)
		refuses("Wrong code. Each code is good once.", ada, "assword", adaPass, "One-time code", s.wrong(p))
		enters(ada, "assword", adaPass, "One-time code", s.code(p))
		leaves(ada)
	})
	scene("too many wrong answers", func() {
		for range tries {
			before := s.decisions()
			s.signIn(bob, "assword", "not bobs password")
			s.decided(before)
		}
		s.signIn(bob)
		s.sees(greeter, "Too many wrong answers. Try again in")
	})
	scene("an account that has expired, and one that is disabled", func() {
		s.back()
		s.expired()
		refuses("This account has expired. Ask your administrator.", olga, "assword", adaPass)
		s.in("sallyport-server account disable bob" + server)
		refuses(disabled, bob, "assword", bobNext)
	})
}
