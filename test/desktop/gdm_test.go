package desktop

import (
	"testing"
	"time"
)

// soon is how long a person waits for a prompt after a refusal.
const soon = 8 * time.Second

// anew puts the greeter back to where it asks for a name.
func (s *seat) anew() {
	s.t.Helper()
	s.watches(patience, greeter, "at its first question", func(screen string) bool {
		if shows(screen, "Username") {
			return true
		}
		s.key(greeter, "Escape")
		return false
	})
}

// refused films what follows a wrong answer: the message must be read, and a prompt behind it.
func (s *seat) refused(t *testing.T, user, message string, prompts ...string) {
	t.Helper()
	frames := s.film(user, soon)
	said, asked := false, time.Duration(0)
	for _, f := range frames {
		said = said || shows(f.text, message)
		if said && asked == 0 && shows(f.text, prompts...) {
			asked = f.at
		}
	}
	if !said {
		t.Errorf("nobody reads %q", message)
	}
	if asked == 0 {
		t.Errorf("no prompt (%q) within %s", prompts, soon)
	}
	t.Logf("prompt after %s", asked)
	for _, f := range frames {
		t.Logf("%6d ms: %s", f.at.Milliseconds(), f.text)
	}
}

func TestPeopleSignInAtGDM(t *testing.T) {
	s := seated(t)
	p := s.enrol()
	scene := func(name string, play func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			defer func() { s.t = t }()
			s.anew()
			play(t)
		})
	}
	scene("a wrong password, and the right one behind it", func(t *testing.T) {
		s.signIn(bob, "Password", "not bobs password")
		s.refused(t, greeter, "", "Password", "Username")
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	scene("a wrong code, and the right one behind it", func(t *testing.T) {
		s.signIn(ada, "Password", adaPass, "One-time code", s.wrong(p))
		s.refused(t, greeter, "", "Password", "Username")
		s.types(greeter, adaPass)
		s.sees(greeter, "One-time code")
		s.types(greeter, s.code(p))
		s.desktop(ada)
		s.logOut(ada)
	})
	scene("an account that is disabled", func(t *testing.T) {
		s.in("sallyport-server account disable bob" + server)
		s.signIn(bob)
		s.refused(t, greeter, "", "Password", "Username")
		s.in("sallyport-server account enable bob" + server)
	})
	scene("offline", func(t *testing.T) {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.signIn(bob, "Password", "not bobs password")
		s.refused(t, greeter, "", "Password", "Username")
		s.types(greeter, bobPass)
		s.refused(t, greeter, "", "Password", "Username")
		s.desktop(bob)
		s.logOut(bob)
		s.in("systemctl start sallyport-server")
		s.online()
	})
	scene("the daemon is stopped under an open prompt, and a local person gets in", func(t *testing.T) {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.types(greeter, bobPass)
		s.refused(t, greeter, "", "Password", "Username")
		s.anew()
		s.signIn(lena, "Password", lenaPass)
		s.desktop(lena)
		s.logOut(lena)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
	})
	scene("the daemon is started anew under an open prompt", func(t *testing.T) {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.in("systemctl restart sallyportd")
		s.online()
		s.types(greeter, bobPass)
		s.refused(t, greeter, "", "Password", "Username")
	})
}
