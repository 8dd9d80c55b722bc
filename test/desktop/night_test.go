package desktop

import "testing"

// thinks sets how long somebody may think about a prompt.
func (s *seat) thinks(time string) {
	s.t.Helper()
	s.sets("pam", "prompt_timeout = \""+time+"\"")
}

// letGo waits until the daemon has ended all conversations: none holds a place.
func (s *seat) letGo() {
	s.t.Helper()
	s.untilIn("! ss -xH state connected | grep 'pam.sock'")
}

// A greeter asks for hours. The daemon waits for minutes, which are seconds here.
// Promise screen-left-open.
func TestAGreeterThatWasLeftOpenForANightLetsPeopleIn(t *testing.T) {
	s := seated(t, gdm())
	p := s.enrol()
	s.thinks("4s")
	s.scene("a password", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.letGo()
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	s.scene("a password, and the server was away meanwhile", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.letGo()
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.in("systemctl start sallyport-server")
		s.online()
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	s.scene("a code: the password is asked for anew", func() {
		s.signIn(ada, "Password", adaPass)
		s.sees(greeter, "One-time code")
		s.letGo()
		s.told(s.code(p), "Password", "Password")
		s.thinks("5m")
		s.anew()
		s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
		s.desktop(ada)
		s.logOut(ada)
	})
	s.scene("a code, and the server was started anew meanwhile", func() {
		s.signIn(ada, "Password", adaPass)
		s.sees(greeter, "One-time code")
		s.in("systemctl restart sallyport-server")
		s.online()
		s.types(greeter, s.code(p))
		s.desktop(ada)
	})
}
