package desktop

import (
	"slices"
	"testing"
	"time"
)

// soon is how long a person waits for a prompt after a refusal.
const soon = 8 * time.Second

// anew puts the greeter back to where it asks for a name.
func (s *seat) anew() {
	s.t.Helper()
	s.watches(greeter, "at its first question", func(screen string) bool {
		if shows(screen, s.manager.question) {
			return !says(screen)
		}
		s.key(greeter, "Escape")
		return false
	})
}

// says tells whether a greeter still says why it refused. It drops what is typed meanwhile. That
// sallyportd is not running stands until somebody answers the prompt for local accounts behind it.
func says(screen string) bool {
	return shows(screen, "password authentication", refused, "Offline", "administrator", "Wrong code", "Too many")
}

// told types an answer at the greeter and films what follows: the message must be read, and where there
// are prompts, one of them behind it.
func (s *seat) told(answer, message string, prompts ...string) {
	s.t.Helper()
	var good bool
	frames := s.film(greeter, answer, soon, func(frames []frame) bool {
		said := slices.IndexFunc(frames, func(f frame) bool { return shows(f.text, message) })
		good = said >= 0 && (len(prompts) == 0 || slices.ContainsFunc(frames[said:], func(f frame) bool {
			return shows(f.text, prompts...) && !shows(f.text, "password authentication", "Sign-in refused")
		}))
		return good
	})
	if good && s.manager.gnome && len(prompts) > 0 {
		s.watches(greeter, "asking again", func(screen string) bool { return shows(screen, prompts...) && !says(screen) })
	}
	if good {
		return
	}
	s.t.Errorf("within %s the greeter does not show %q and then %q:", soon, message, prompts)
	for _, f := range frames {
		s.t.Logf("%6d ms: %s", f.at.Milliseconds(), f.text)
	}
}

// scene plays one after another at the same machine.
func (s *seat) scene(name string, play func()) {
	s.run(name, func(*testing.T) {
		s.anew()
		play()
	})
}

const (
	refused  = "Sign-in refused."
	disabled = "This account is disabled. Ask your administrator."
	// needsCode is said before anything is typed, and waits for Enter.
	needsCode = "Offline, and your one-time code cannot be checked"
	again     = "Press Enter to try again"
	// gdmRefused is GDM's own, where we give no reason.
	gdmRefused = "Sorry, password authentication didn't work. Please try again."
)

// Promise screen-refusal.
func TestAWrongAnswerAtGDMIsFollowedByAPrompt(t *testing.T) {
	s := seated(t, gdm())
	p := s.enrol()
	s.scene("a wrong password, and the right one behind it", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.told("not bobs password", refused, "Password")
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	s.scene("a wrong code, and the right one behind it", func() {
		s.signIn(ada, "Password", adaPass)
		s.sees(greeter, "One-time code")
		s.told(s.wrong(p), "Wrong code. Each code is good once.", "Password")
		s.types(greeter, adaPass)
		s.sees(greeter, "One-time code")
		s.types(greeter, s.code(p))
		s.desktop(ada)
		s.logOut(ada)
	})
	s.scene("an account that is disabled", func() {
		s.in("sallyport-server account disable bob" + server)
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.told(bobPass, disabled, "Password", "Username")
	})
}

// Promise screen-offline.
func TestPeopleSignInAtGDMOffline(t *testing.T) {
	s := seated(t, gdm())
	s.scene("online first", func() {
		s.in("echo welcome > /etc/skel/.from-skel; test ! -e /home/bob")
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
		s.in("test $(stat -c %U /home/bob/.from-skel) = bob") // the home was made on the way
		s.logOut(bob)
		s.in("systemctl stop sallyport-server")
		s.offline()
	})
	s.scene("who was never here", func() {
		s.signIn(ada)
		s.sees(greeter, "Offline, and your password was not yet used here.")
		s.sees(greeter, again)
	})
	s.scene("a wrong password", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.told("not bobs password", gdmRefused, "Password")
	})
	s.scene("the right one", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.told(bobPass, "Offline. Last checked")
		s.desktop(bob)
	})
}

// Promise screen-offline.
func TestGDMWhileTheDaemonComesAndGoes(t *testing.T) {
	s := seated(t, gdm())
	s.scene("started anew under an open prompt", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.in("systemctl restart sallyportd")
		s.online()
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	s.scene("stopped under an open prompt", func() {
		s.signIn(bob)
		s.sees(greeter, "Password")
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.told(bobPass, "Sallyport is not running, so this account cannot be checked", "Password", "Username")
	})
	s.scene("a local person gets in meanwhile", func() {
		s.signIn(lena, "Password", lenaPass)
		s.desktop(lena)
		s.logOut(lena)
	})
	s.scene("and a person of the realm when it is back", func() {
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
	})
}

// Promise screen-new-password.
func TestAPasswordThatIsDueIsChangedAtGDM(t *testing.T) {
	s := seated(t, gdm())
	s.scene("the sign-in asks for a new one, and goes on", func() {
		s.mustChange()
		s.signIn(bob, "Password", bobPass, "Current password", bobPass, "New password", bobNext, "Retype new password", bobNext)
		s.desktop(bob)
		s.logOut(bob)
	})
	s.scene("the new one is good from then on", func() {
		s.signIn(bob, "Password", bobNext)
		s.desktop(bob)
		s.logOut(bob)
	})
	s.scene("a new one that is refused does not end the sign-in", func() {
		s.mustChange()
		s.signIn(bob, "Password", bobNext, "Current password", bobNext, "New password", "short", "Retype new password")
		s.told("short", "characters", "New password", "Password", "Username")
	})
}

// Promise screen-refusal.
func TestGDMSaysWhyAnAccountIsKeptOut(t *testing.T) {
	s := seated(t, gdm())
	s.scene("it has expired", func() {
		s.expired()
		s.signIn(olga)
		s.sees(greeter, "Password")
		s.told(adaPass, "This account has expired. Ask your administrator.", "Password", "Username")
	})
	s.scene("too many wrong answers", func() {
		s.signIn(bob, "Password", bobPass)
		s.desktop(bob)
		s.logOut(bob)
		s.in("systemctl stop sallyport-server") // the machine counts alone
		s.offline()
		for range tries {
			before := s.decisions()
			s.signIn(bob, "Password", "not bobs password")
			s.decided(before)
			s.anew()
		}
		s.signIn(bob)
		s.sees(greeter, "Too many wrong answers. Try again in")
		s.sees(greeter, again)
	})
}
