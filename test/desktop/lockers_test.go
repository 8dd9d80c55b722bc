package desktop

import (
	"fmt"
	"testing"

	"github.com/sallyport-auth/sallyport/test/vcard"
)

// inOpenbox runs a program in the background of a person's session at LightDM.
func (s *seat) inOpenbox(user, program string) {
	s.t.Helper()
	s.in("runuser -u " + user + " -- env HOME=/home/" + user + " DISPLAY=:0 XAUTHORITY=/home/" + user + "/.Xauthority " + program + " >/var/tmp/locker.log 2>&1 &")
}

// locker is a screen locker that is no part of a desktop.
type locker struct {
	*seat
	name   string
	start  string // a program of the person's
	lock   string // shell that succeeds once it runs and is told to lock
	locked string // shell that succeeds while the screen is locked
	// says tells that it shows prompts and reasons, once a key is pressed; i3lock shows none.
	says bool
}

func (s *seat) lockers() []locker {
	const command = "DISPLAY=:0 XAUTHORITY=/run/lightdm/root/:0 xscreensaver-command "
	return []locker{
		{s, "i3lock", "i3lock -n -c 000000", "true", "pgrep -x i3lock", false},
		{s, "xscreensaver", "sh -c 'echo mode: blank >~/.xscreensaver; exec xscreensaver --no-splash'", command + "-lock", command + "-time | grep locked", true},
	}
}

// asked waits for a prompt. A reason before it waits for its OK.
func (l locker) asked(user, prompt string) {
	l.t.Helper()
	reasons := 0
	if !l.says {
		return
	}
	l.watches(user, "asking for "+prompt, func(screen string) bool {
		if shows(screen, prompt) && !shows(screen, "Checking", "failed") {
			return true
		}
		switch {
		case !shows(screen, "is not running", "administrator", "Offline", "Too many", "tries left"):
			l.key(user, "x BackSpace")
		case reasons%4 == 0: // once is enough, and a second one would answer the prompt
			l.key(user, "Return")
			fallthrough
		default:
			reasons++
		}
		return false
	})
}

// curtain locks the screen.
func (l locker) curtain(user string) {
	l.t.Helper()
	l.inOpenbox(user, l.start)
	l.untilIn(l.lock)
	l.untilIn(l.locked)
	if !l.says { // it is black, and shows once it has the keys
		const colours = "import -window root ppm:- | identify -format %k -"
		l.untilIn(l.manager.display(user) + "test $(" + colours + ") -eq 1")
		l.untilIn(l.manager.display(user) + "xdotool key x BackSpace; test $(" + colours + ") -gt 1")
	}
}

func (l locker) locks(user string) {
	l.t.Helper()
	l.curtain(user)
	l.asked(user, "Password")
}

func (l locker) unlocks(user, answer string) {
	l.t.Helper()
	l.types(user, answer)
	l.untilIn("! { " + l.locked + "; }")
	l.ends(user)
}

// ends ends it: two lockers at one screen are in each other's way.
func (l locker) ends(user string) {
	l.t.Helper()
	l.untilIn("pkill -u " + user + " " + l.name + " || :; ! pgrep -u " + user + " " + l.name)
}

// keeps tells that an answer does not open it, for a reason.
func (l locker) keeps(user, answer, reason string) {
	l.t.Helper()
	before := l.decisions()
	l.types(user, answer)
	l.decided(before)
	if l.says && reason != "" {
		l.sees(user, reason)
	}
	l.in(l.locked)
}

// tells shows a reason before anything can be typed, or is told one when it was.
func (l locker) tells(user, answer, reason string) {
	l.t.Helper()
	if !l.says {
		l.keeps(user, answer, "")
		return
	}
	l.watches(user, reason, func(screen string) bool {
		if !shows(screen, reason, "Username") {
			l.key(user, "x BackSpace") // it may come too early
		}
		return shows(screen, reason)
	})
	l.asksInNoLoop()
	l.in(l.locked)
	l.key(user, "Return")
}

// each plays a scene with one locker after the other.
func (s *seat) each(name string, play func(l locker)) {
	for _, l := range s.lockers() {
		s.run(name+", at "+l.name, func(*testing.T) { play(l) })
	}
}

// away plays without the server.
func (s *seat) without(play func()) {
	s.in("systemctl stop sallyport-server")
	s.offline()
	play()
	s.back()
}

// Promise screen-lockers.
// Promise screen-refusal, screen-offline, screen-left-open.
func TestScreenLockersBesideADesktop(t *testing.T) {
	s := seated(t, lightDM())
	s.answers(bob)
	s.types(greeter, bobPass)
	s.desktop(bob)
	s.each("a wrong password, and the right one behind it", func(l locker) {
		l.locks(bob)
		l.keeps(bob, "not bobs password", "")
		l.asked(bob, "Password")
		l.unlocks(bob, bobPass)
	})
	s.each("the daemon is started anew under the prompt", func(l locker) {
		l.locks(bob)
		s.in("systemctl restart sallyportd")
		s.online()
		l.unlocks(bob, bobPass)
	})
	s.thinks("4s")
	s.each("the prompt was left open", func(l locker) {
		l.locks(bob)
		s.letGo()
		l.unlocks(bob, bobPass)
	})
	s.thinks("5m")
	s.each("an account that is disabled, and one that has expired", func(l locker) {
		l.locks(bob)
		s.in("sallyport-server account disable bob" + server)
		l.keeps(bob, bobPass, disabled)
		l.asked(bob, "Password")
		s.in("sallyport-server account set bob --valid-until 2020-01-01T00:00:00Z" + server + "; sallyport-server account enable bob" + server)
		l.keeps(bob, bobPass, "This account has expired. Ask your administrator.")
		l.asked(bob, "Password")
		if l.says {
			s.asksInNoLoop()
		}
		s.in("sallyport-server account set bob --valid-until none" + server)
		l.unlocks(bob, bobPass)
	})
	s.each("the daemon is stopped, and started again", func(l locker) {
		l.locks(bob)
		s.in("systemctl stop sallyportd.socket sallyportd")
		l.types(bob, bobPass)
		s.untilIn("journalctl -b --no-pager | grep 'pam_sallyport(" + l.name + ":auth): connect to'")
		s.in(l.locked)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
		if l.says {
			s.asksInNoLoop()
			l.asked(bob, "Password")
			// This prompt is pam_unix's, which was left to ask when we were not there.
			const failed = "journalctl -b --no-pager | grep -c 'Failed login on display'"
			before := s.count(failed)
			l.types(bob, bobPass)
			s.untilIn(fmt.Sprintf("test $(%s) -gt %d", failed, before))
			l.asked(bob, "Password")
		}
		l.unlocks(bob, bobPass)
	})
	s.without(func() {
		s.each("offline", func(l locker) {
			l.locks(bob)
			l.keeps(bob, "not bobs password", "")
			l.asked(bob, "Password")
			l.unlocks(bob, bobPass)
		})
	})
}

// Promise screen-lockers, screen-offline-code, screen-card.
func TestACodeAndACardAtLockersBesideADesktop(t *testing.T) {
	s := seated(t, withReaders(lightDM()))
	p := s.enrol()
	s.answers(ada, adaPass)
	s.types(greeter, s.code(p))
	s.desktop(ada)
	s.without(func() {
		s.each("no code can be checked without the server", func(l locker) {
			l.curtain(ada)
			l.tells(ada, adaPass+s.wrong(p), needsCode)
			l.ends(ada)
		})
	})
	s.offlineCodes()
	s.each("a code behind the password", func(l locker) {
		l.locks(ada)
		l.unlocks(ada, adaPass+s.code(p))
	})
	s.without(func() {
		s.each("and without the server", func(l locker) {
			l.locks(ada)
			l.unlocks(ada, adaPass+s.code(p))
		})
	})
	out := s.card()
	s.each("a card's PIN, and a wrong one", func(l locker) {
		l.curtain(ada)
		l.asked(ada, "PIN (blue)")
		l.keeps(ada, "654321", "The PIN is wrong. 2 tries left")
		l.asked(ada, "PIN (blue)")
		l.unlocks(ada, vcard.DefaultPIN)
	})
	out()
	s.in("systemctl stop sallyport-server")
	s.offline()
	s.each("too many wrong answers", func(l locker) {
		l.curtain(ada)
		if !l.says { // so that the other one finds it locked
			for range tries {
				l.keeps(ada, "not adas password", "")
			}
		}
		l.asked(ada, "Password")
		l.keeps(ada, adaPass, "Too many wrong answers. Try again in")
		l.ends(ada)
	})
}
