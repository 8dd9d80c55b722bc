package desktop

import (
	"fmt"
	"testing"
)

// onBus is a command on the bus of a person's session.
func (s *seat) onBus(user, command string) string {
	return "uid=$(id -u " + user + "); runuser -u " + user + " -- env HOME=/home/" + user + " XDG_RUNTIME_DIR=/run/user/$uid DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus timeout 20 " + command
}

const theLock = "busctl --user get-property org.freedesktop.secrets /org/freedesktop/secrets/collection/login org.freedesktop.Secret.Collection Locked"

// opened waits until the login has opened the keyring.
func (s *seat) opened(user string) {
	s.t.Helper()
	s.until(func() error {
		out, err := s.In(s.t.Context(), s.onBus(user, theLock))
		if err == nil && out != "b false\n" {
			err = fmt.Errorf("the keyring of %s: locked is %q", user, out)
		}
		return err
	})
}

// leaves logs out and waits until nothing of the session is left, the keyring's daemon above all.
func (s *seat) leaves(user string) {
	s.t.Helper()
	s.logOut(user)
	s.untilIn("! pgrep -u " + user)
}

func TestAKeyringOpensWithTheLogin(t *testing.T) {
	s := seated(t, gdm())
	p := s.enrol()
	s.scene("of a local person", func() {
		s.signIn(lena, "Password", lenaPass)
		s.desktop(lena)
		s.opened(lena)
		s.leaves(lena)
	})
	s.scene("by the password before a code", func() {
		for range 2 { // the first makes it
			s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
			s.desktop(ada)
			s.opened(ada)
			s.leaves(ada)
		}
	})
	s.scene("and follows a password that is changed in the login", func() {
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
		s.in(s.onBus(bob, "sh -c 'printf treasure | secret-tool store --label=thing place desk'"))
		s.leaves(bob)
		s.mustChange()
		s.signIn(bob, "Password", bobPass, "Current password", bobPass, "New password", bobNext, "Retype new password", bobNext)
		s.desktop(bob)
		s.opened(bob)
		s.leaves(bob)
		s.signIn(bob, "Password", bobNext)
		s.desktop(bob)
		s.opened(bob)
		if got := s.in(s.onBus(bob, "secret-tool lookup place desk")); got != "treasure" {
			s.t.Errorf("the keyring has %q", got)
		}
	})
}
