package desktop

import "testing"

// offlineCodes lets this machine check codes of the crew without the server.
func (s *seat) offlineCodes() {
	s.t.Helper()
	s.in("sallyport-server group set crew --offline-codes=true" + server + "; sallyport-server machine set desk --offline-codes=true" + server)
	s.online()
}

// Promise screen-offline-code.
func TestACodeAtGDMWithoutTheServer(t *testing.T) {
	s := seated(t, gdm())
	p := s.enrol()
	online := func() {
		s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
		s.desktop(ada)
		s.logOut(ada)
		s.in("systemctl stop sallyport-server")
		s.offline()
	}
	s.scene("where no code may be checked here, the reason is said", func() {
		online()
		s.signIn(ada)
		s.sees(greeter, needsCode)
		s.sees(greeter, again)
	})
	s.scene("where it may be, it is asked for", func() {
		s.back()
		s.offlineCodes()
		s.anew()
		online()
		s.signIn(ada, "Password", adaPass)
		s.sees(greeter, "One-time code")
		s.told(s.wrong(p), "Wrong code. Each code is good once.", "Password")
		s.types(greeter, adaPass)
		s.sees(greeter, "One-time code")
		s.types(greeter, s.code(p))
		s.desktop(ada)
	})
}
