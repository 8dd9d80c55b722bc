package desktop

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// locks locks a person's screen, and lifts its curtain.
func (s *seat) locks(user string) {
	s.t.Helper()
	s.curtain(user)
	s.lifts(user, "Password")
}

// curtain locks a person's screen.
func (s *seat) curtain(user string) {
	s.t.Helper()
	s.in("loginctl lock-session $(loginctl list-sessions --no-legend | awk '$3 == \"" + user + "\" && /seat0/ { print $1 }')")
	s.untilIn(s.lockedIs(user, "yes"))
}

// lifts lifts the curtain, and waits for a prompt without any message.
func (s *seat) lifts(user, prompt string) {
	s.t.Helper()
	s.liftsTo(user, "asking for "+prompt, func(screen string) bool { return shows(screen, prompt) && !says(screen) })
}

// liftsTo lifts the curtain, unless it is up. A key may come too early for it.
func (s *seat) liftsTo(user, what string, wanted func(screen string) bool) {
	s.t.Helper()
	looks := 0
	s.watches(user, what, func(screen string) bool {
		if wanted(screen) {
			return true
		}
		if looks++; looks%4 == 1 {
			s.key(user, "Escape")
		}
		return false
	})
}

func (s *seat) lockedIs(user, word string) string {
	return "loginctl show-session -p LockedHint $(loginctl list-sessions --no-legend | awk '$3 == \"" + user + "\" && /seat0/ { print $1 }') | grep -x LockedHint=" + word
}

// unlocked waits until the screen is open again.
func (s *seat) unlocked(user string) {
	s.t.Helper()
	s.untilIn(s.lockedIs(user, "no"))
}

// decisions is how often the daemon was asked to authenticate.
func (s *seat) decisions() int {
	s.t.Helper()
	return s.count("journalctl -b -u sallyportd --no-pager -o cat | grep -c operation=authenticate")
}

// count is the number that shell prints, which may fail where it is 0, as grep -c does.
func (s *seat) count(lines string) int {
	s.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(s.in(lines + " || true")))
	must(s.t, err)
	return n
}

// decided waits until there are more decisions than before.
func (s *seat) decided(before int) {
	s.t.Helper()
	s.until(func() error {
		if s.decisions() <= before {
			return fmt.Errorf("there are %d decisions, as before", before)
		}
		return nil
	})
}

// asksInNoLoop looks whether a locker asks by itself.
func (s *seat) asksInNoLoop() {
	s.t.Helper()
	before := s.decisions()
	s.in("sleep 7") // a loop would ask twice in it
	if n := s.decisions() - before; n > 1 {
		s.t.Errorf("in seven seconds the locker asked %d times by itself", n)
	}
}

// Promise screen-lockers.
func TestALockedScreenOfGNOME(t *testing.T) {
	s := seated(t, gdm())
	s.signIn(bob, "Password", bobPass)
	s.desktop(bob)
	s.run("a wrong password, and the right one behind it", func(*testing.T) {
		s.locks(bob)
		s.types(bob, "not bobs password")
		s.sees(bob, "didn't work", refused)
		s.sees(bob, "Password")
		s.types(bob, bobPass)
		s.unlocked(bob)
	})
	s.run("the daemon is started anew under the prompt", func(*testing.T) {
		s.locks(bob)
		s.in("systemctl restart sallyportd")
		s.online()
		s.types(bob, bobPass)
		s.unlocked(bob)
	})
	s.run("the prompt was left open", func(*testing.T) {
		s.thinks("4s")
		s.locks(bob)
		s.letGo()
		s.types(bob, bobPass)
		s.unlocked(bob)
		s.thinks("5m")
	})
	s.run("a password that must be changed", func(*testing.T) {
		s.locks(bob)
		s.mustChange()
		s.types(bob, bobPass)
		for _, answer := range [][2]string{{"Current password", bobPass}, {"New password", bobNext}, {"Retype new password", bobNext}} {
			s.sees(bob, answer[0])
			s.types(bob, answer[1])
		}
		s.unlocked(bob)
		s.in("echo '" + bobPass + "' | sallyport-server account set-password bob" + server)
		s.locks(bob)
		s.types(bob, bobPass)
		s.unlocked(bob)
	})
	s.run("offline", func(*testing.T) {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.locks(bob)
		s.types(bob, bobPass)
		s.unlocked(bob)
		s.back()
	})
	s.run("an account that is disabled, and one that has expired", func(*testing.T) {
		s.locks(bob)
		s.in("sallyport-server account disable bob" + server)
		s.types(bob, bobPass)
		s.sees(bob, disabled)
		s.lifts(bob, "Password")
		s.in("sallyport-server account set bob --valid-until 2020-01-01T00:00:00Z" + server + "; sallyport-server account enable bob" + server)
		s.types(bob, bobPass)
		s.sees(bob, "This account has expired. Ask your administrator.")
		s.asksInNoLoop()
		s.in(s.lockedIs(bob, "yes"))
		s.in("sallyport-server account set bob --valid-until none" + server)
		s.lifts(bob, "Password")
		s.types(bob, bobPass)
		s.unlocked(bob)
	})
	s.run("the daemon is stopped, and nothing asks in a loop", func(*testing.T) {
		s.locks(bob)
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.types(bob, bobPass)
		s.sees(bob, "Sallyport is not running, so this account cannot be checked", "didn't work")
		s.sees(bob, "Password")
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
		s.asksInNoLoop()
		s.key(bob, "Escape") // ends the prompt for local accounts, which came meanwhile
		s.lifts(bob, "Password")
		s.types(bob, bobPass)
		s.unlocked(bob)
	})
}

// Promise screen-lockers, screen-offline-code.
func TestALockedScreenOfGNOMEAsksForACode(t *testing.T) {
	s := seated(t, gdm())
	p := s.enrol()
	code := func() {
		s.types(ada, adaPass)
		s.sees(ada, "One-time code")
		s.types(ada, s.code(p))
		s.unlocked(ada)
	}
	s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
	s.desktop(ada)
	s.run("online", func(*testing.T) {
		s.locks(ada)
		code()
	})
	s.run("without the server, and no code may be checked here", func(*testing.T) {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.curtain(ada)
		s.liftsTo(ada, needsCode, func(screen string) bool { return shows(screen, needsCode) })
		s.sees(ada, again)
		s.asksInNoLoop()
		s.in(s.lockedIs(ada, "yes"))
		s.in("systemctl start sallyport-server")
		s.offlineCodes()
		s.types(ada, "")
		s.lifts(ada, "Password")
		code()
	})
	s.run("without the server, where it may be", func(*testing.T) {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.locks(ada)
		s.types(ada, adaPass)
		s.sees(ada, "One-time code")
		s.types(ada, s.wrong(p))
		s.sees(ada, "Wrong code. Each code is good once.")
		s.sees(ada, "Password")
		code()
	})
	s.run("too many wrong answers", func(*testing.T) {
		s.curtain(ada)
		for range tries {
			s.lifts(ada, "Password")
			before := s.decisions()
			s.types(ada, "not adas password")
			s.decided(before)
		}
		s.sees(ada, "Too many wrong answers. Try again in")
		s.sees(ada, again)
		s.asksInNoLoop()
		s.in(s.lockedIs(ada, "yes"))
	})
}
