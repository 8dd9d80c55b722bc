package desktop

import (
	"fmt"
	"testing"
)

// inOpenbox runs a program in the background of a person's session at LightDM.
func (s *seat) inOpenbox(user, program string) {
	s.t.Helper()
	s.in("runuser -u " + user + " -- env HOME=/home/" + user + " DISPLAY=:0 XAUTHORITY=/home/" + user + "/.Xauthority " + program + " >/var/tmp/locker.log 2>&1 &")
}

// locker is a screen locker that is no part of a desktop.
type locker struct {
	service string // of PAM
	start   string // a program of the person's
	lock    string // shell that succeeds once it runs and is told to lock
	locked  string // shell that succeeds while the screen is locked
	prompt  string // on the screen, once a key is pressed; i3lock shows none
}

const xscreensaver = "DISPLAY=:0 XAUTHORITY=/run/lightdm/root/:0 xscreensaver-command "

// Promise screen-lockers.
func TestScreenLockersBesideADesktop(t *testing.T) {
	for name, l := range map[string]locker{
		"i3lock":       {"i3lock", "i3lock -n -c 000000", "true", "pgrep -x i3lock", ""},
		"xscreensaver": {"xscreensaver", "sh -c 'echo mode: blank >~/.xscreensaver; exec xscreensaver --no-splash'", xscreensaver + "-lock", xscreensaver + "-time | grep locked", "Password"},
	} {
		t.Run(name, func(t *testing.T) { locksAndUnlocks(t, l) })
	}
}

func locksAndUnlocks(t *testing.T, l locker) {
	s := seated(t, lightDM())
	p := s.enrol()
	asked := func(user string) {
		if l.prompt != "" {
			reasons := 0
			s.watches(user, "asking for a password", func(screen string) bool {
				if shows(screen, l.prompt) && !shows(screen, "Checking", "failed") {
					return true
				}
				switch {
				case !shows(screen, "is not running", disabled):
					s.key(user, "x BackSpace")
				case reasons%4 == 0: // once is enough, and a second one would answer the prompt
					s.key(user, "Return") // a reason waits for its OK
					fallthrough
				default:
					reasons++
				}
				return false
			})
		}
	}
	locks := func(user string) {
		s.inOpenbox(user, l.start)
		s.untilIn(l.lock)
		s.untilIn(l.locked)
		asked(user)
	}
	unlocks := func(user string, answer string) {
		s.types(user, answer)
		s.untilIn("! { " + l.locked + "; }")
	}
	staysLocked := func(user, answer string) {
		before := s.decisions()
		s.types(user, answer)
		s.decided(before)
		asked(user)
		s.in(l.locked)
	}
	s.answers(bob)
	s.types(greeter, bobPass)
	s.desktop(bob)
	s.run("a wrong password, and the right one behind it", func(*testing.T) {
		locks(bob)
		staysLocked(bob, "not bobs password")
		unlocks(bob, bobPass)
	})
	s.run("the daemon is started anew under the prompt", func(*testing.T) {
		locks(bob)
		s.in("systemctl restart sallyportd")
		s.online()
		unlocks(bob, bobPass)
	})
	s.run("offline", func(*testing.T) {
		s.in("systemctl stop sallyport-server")
		s.offline()
		locks(bob)
		staysLocked(bob, "not bobs password")
		unlocks(bob, bobPass)
		s.in("systemctl start sallyport-server")
		s.online()
	})
	s.run("an account that is disabled", func(*testing.T) {
		locks(bob)
		s.in("sallyport-server account disable bob" + server)
		before := s.decisions()
		s.types(bob, bobPass)
		s.decided(before)
		if l.prompt != "" {
			s.sees(bob, disabled)
		}
		asked(bob)
		s.in(l.locked)
		s.asksInNoLoop()
		s.in("sallyport-server account enable bob" + server)
		unlocks(bob, bobPass)
	})
	s.run("the daemon is stopped, and started again", func(*testing.T) {
		locks(bob)
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.types(bob, bobPass)
		s.untilIn("journalctl -b --no-pager | grep 'pam_sallyport(" + l.service + ":auth): connect to'")
		s.in(l.locked)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
		s.asksInNoLoop()
		asked(bob)
		if l.prompt != "" {
			// This prompt is pam_unix's, which was left to ask when we were not there.
			const failed = "journalctl -b --no-pager | grep -c 'Failed login on display'"
			before := s.count(failed)
			s.types(bob, bobPass)
			s.untilIn(fmt.Sprintf("test $(%s) -gt %d", failed, before))
			asked(bob)
		}
		unlocks(bob, bobPass)
		s.logOut(bob)
	})
	s.run("a code", func(*testing.T) {
		s.answers(ada, adaPass)
		s.types(greeter, s.code(p))
		s.desktop(ada)
		locks(ada)
		unlocks(ada, adaPass+s.code(p))
	})
}
