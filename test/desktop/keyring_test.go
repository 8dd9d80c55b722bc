package desktop

import "testing"

// onBus runs a program on the bus of a person's session, as one of its programs does.
func (s *seat) onBus(user, program string) string {
	s.t.Helper()
	return s.in("uid=$(id -u " + user + "); cd /; runuser -u " + user + " -- env HOME=/home/" + user +
		" XDG_RUNTIME_DIR=/run/user/$uid DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus timeout 20 " + program)
}

const theLock = "busctl --user get-property org.freedesktop.secrets /org/freedesktop/secrets/collection/login org.freedesktop.Secret.Collection Locked"

// opened tells that the sign-in has opened the person's keyring.
func (s *seat) opened(user string) {
	s.t.Helper()
	s.desktop(user)
	if got := s.onBus(user, theLock); got != "b false\n" {
		s.t.Errorf("is the keyring of %s locked? %s", user, got)
	}
}

// goesHome logs out, and ends what runs for the person, the keyring's daemon above all.
func (s *seat) goesHome(user string) {
	s.t.Helper()
	s.logOut(user)
	s.in("systemctl stop user@$(id -u " + user + ")")
}

// holds tells that bob's keyring is open, and has what was put into it.
func (s *seat) holds() {
	s.t.Helper()
	s.opened(bob)
	if got := s.onBus(bob, "secret-tool lookup place desk"); got != "treasure" {
		s.t.Errorf("the keyring holds %q", got)
	}
}

// GNOME's keyring daemon makes the login keyring at a person's first sign-in, and has it on
// the bus when it is started the next time. A password that is changed before it runs is not
// the keyring's. It is so for local people, too.
// Promise screen-keyring.
func TestAKeyringOpensWithThePassword(t *testing.T) {
	s := seated(t, gdm())
	p := s.enrol()
	s.scene("the first sign-in makes it", func() {
		s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
		s.desktop(ada)
		s.goesHome(ada)
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
		s.goesHome(bob)
	})
	s.scene("it opens", func() {
		s.signIn(bob, "Password", bobPass)
		s.opened(bob)
		s.onBus(bob, "sh -c 'printf treasure | secret-tool store --label=thing place desk'")
		s.goesHome(bob)
	})
	s.scene("with a code behind the password, too", func() {
		s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
		s.opened(ada)
		s.goesHome(ada)
	})
	s.scene("without the server, and passwd changes its password", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.signIn(bob, "Password", bobPass)
		s.holds()
		s.back()
		s.in("printf '%s\\n' '" + bobPass + "' '" + bobNext + "' '" + bobNext + "' >/var/tmp/new")
		s.onBus(bob, "passwd </var/tmp/new")
		s.goesHome(bob)
		s.signIn(bob, "Password", bobNext)
		s.holds()
		s.goesHome(bob)
	})
	s.scene("a change before the session begins does not", func() {
		s.mustChange()
		s.signIn(bob, "Password", bobNext, "Current password", bobNext, "New password", bobPass, "Retype new password", bobPass)
		s.desktop(bob)
		s.goesHome(bob)
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
		if got := s.onBus(bob, theLock); got != "b true\n" {
			s.t.Errorf("is the keyring locked? %s", got)
		}
	})
}
