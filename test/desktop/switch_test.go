package desktop

import (
	"cmp"
	"fmt"
	"testing"
)

// inFront waits until a person's session is the one at the screen.
func (s *seat) inFront(user string) {
	s.t.Helper()
	s.stands(user, "active")
}

// stands waits until logind has a person's session in a state: active in front, online behind.
func (s *seat) stands(user, state string) {
	s.t.Helper()
	s.untilIn("loginctl show-session -p State $(loginctl list-sessions --no-legend | awk '$3 == \"" + user + "\" && /seat0/ { print $1 }') | grep -x State=" + state)
}

// switches clicks on the lock screen's button for another person, and waits for the greeter. It clicks
// once: a second click would wait in that person's X server, and bring the greeter back in front of them.
func (s *seat) switches(user string) {
	s.t.Helper()
	s.in(s.manager.display(user) + "xdotool mousemove 981 725 click 1")
	s.stands(user, "online")
	s.sees(greeter, s.manager.question)
}

// keeps tells that a screen is locked still, once the daemon has decided beyond before.
func (s *seat) keeps(user string, before int) {
	s.t.Helper()
	s.decided(before)
	s.sees(user, "didn't work", refused)
	s.in(s.lockedIs(user, "yes"))
}

// Promise screen-two.
func TestTwoPeopleShareAScreenOfGDM(t *testing.T) {
	s := seated(t, gdm())
	s.in("useradd -m max") // with lena two that GNOME knows of: with fewer it shows no button
	s.scene("a second one signs in beside a locked screen", func() {
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
		s.locks(bob)
		s.switches(bob)
		s.signIn(ada, "Password", adaPass)
		s.desktop(ada)
		s.inFront(ada)
		s.in(s.lockedIs(bob, "yes"))
	})
	s.run("nobody's password but one's own opens a screen", func(*testing.T) {
		s.locks(ada)
		before := s.decisions()
		s.types(ada, bobPass)
		s.keeps(ada, before)
		s.switches(ada)
		before = s.decisions()
		s.signIn(bob, "Password", adaPass)
		s.sees(greeter, refused, "didn't work")
		s.decided(before)
		s.in(s.lockedIs(bob, "yes") + " && " + s.lockedIs(ada, "yes"))
	})
	s.run("the first comes back to what was left", func(*testing.T) {
		s.anew()
		before := s.in("loginctl list-sessions --no-legend | grep -w seat0 | grep -wc " + bob)
		s.signIn(bob, "Password", bobPass)
		s.unlocked(bob)
		s.inFront(bob)
		if after := s.in("loginctl list-sessions --no-legend | grep -w seat0 | grep -wc " + bob); after != before {
			s.t.Error(fmt.Errorf("bob has %s sessions and had %s", after, before))
		}
		s.in(s.lockedIs(ada, "yes"))
	})
	s.run("and the second, after the first has locked again", func(*testing.T) {
		s.locks(bob)
		s.switches(bob)
		s.signIn(ada, "Password", adaPass)
		s.unlocked(ada)
		s.inFront(ada)
		s.in(s.lockedIs(bob, "yes"))
	})
}

// LightDM locks nothing by itself: dm-tool(1) brings its greeter, on an X server of its own, and whoever
// signs in there again comes back to the session that is open.
// Promise screen-two.
func TestTwoPeopleShareAScreenOfLightDM(t *testing.T) {
	by, screens := lightDM(), map[string]string{}
	by.display = func(user string) string {
		n := cmp.Or(screens[user], ":0")
		return "export DISPLAY=" + n + " XAUTHORITY=/run/lightdm/root/" + n + "\n"
	}
	s := seated(t, by)
	toGreeter := func(screen string) {
		s.in("XDG_SEAT_PATH=/org/freedesktop/DisplayManager/Seat0 dm-tool switch-to-greeter")
		screens[greeter] = screen
		s.sees(greeter, s.manager.question)
	}
	s.answers(bob)
	s.types(greeter, bobPass)
	s.desktop(bob)
	s.run("a second one signs in beside the first", func(*testing.T) {
		toGreeter(":1")
		s.answers(ada)
		s.toldAt(bobPass, refused)
		s.types(greeter, adaPass)
		screens[ada] = ":1"
		s.desktop(ada)
		s.stands(bob, "online")
	})
	s.run("and the first comes back to what was left", func(*testing.T) {
		toGreeter(":2")
		s.answers(bob)
		s.types(greeter, bobPass)
		s.inFront(bob)
		s.untilIn("test $(loginctl list-sessions --no-legend 2>/dev/null | grep -w seat0 | grep -wc " + bob + ") -eq 1")
	})
}
