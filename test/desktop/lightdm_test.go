package desktop

import (
	"fmt"
	"testing"
)

// Prompts of LightDM are counted in its log, with the messages of PAM modules: the GTK greeter
// shows a prompt inside its entry, and hides it while the entry is empty and has the keys, so
// nobody can read it.
const promptCount = "grep -c 'Prompt greeter with' /var/log/lightdm/lightdm.log"

func (s *seat) prompts() int {
	s.t.Helper()
	return s.count(promptCount)
}

// answers types one line after the other, each when LightDM has asked for it.
func (s *seat) answers(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		before := s.prompts()
		s.types(greeter, line)
		s.prompted(before)
	}
}

// prompted waits for a prompt beyond so many, and until the greeter shows it: while it changes, it
// loses what is typed.
func (s *seat) prompted(before int) {
	s.t.Helper()
	s.untilIn(fmt.Sprintf("test $(%s) -gt %d", promptCount, before))
	s.untilIn(s.manager.display(greeter) + "import -window root /var/tmp/one.ppm; sleep 0.1; import -window root /var/tmp/two.ppm; cmp -s /var/tmp/one.ppm /var/tmp/two.ppm")
}

// toldAt types an answer and waits for a message, and for a prompt behind it.
func (s *seat) toldAt(answer, message string) {
	s.t.Helper()
	before := s.prompts()
	s.told(answer, message)
	if message != lightDMRefused {
		before++
	}
	s.prompted(before)
}

// lightDMRefused is its greeter's own, where we give no reason.
const lightDMRefused = "Your password is incorrect"

// cancel clicks on the button of that name, which a message moves a little, and a long one away.
func (s *seat) cancel() {
	s.t.Helper()
	s.watches(greeter, "without a long message", func(screen string) bool {
		return shows(screen, s.manager.question) && !shows(screen, "Offline", "administrator", "Too many")
	})
	s.in(s.manager.display(greeter) + "xdotool mousemove 401 442 click 1")
}

// scenesAt are scenes at a LightDM.
func scenesAt(t *testing.T, by manager) (s *seat, scene func(name string, play func())) {
	t.Helper()
	s = seated(t, by)
	return s, func(name string, play func()) {
		t.Helper()
		s.run(name, func(*testing.T) {
			s.cancel()
			play()
		})
	}
}

// Promise screen-refusal, screen-new-password.
func TestPeopleSignInAtLightDM(t *testing.T) {
	s, scene := scenesAt(t, lightDM())
	p := s.enrol()
	scene("a wrong password, and the right one behind it", func() {
		s.answers(bob)
		s.toldAt("not bobs password", refused)
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	scene("a wrong code, and the right one behind it", func() {
		s.answers(ada, adaPass)
		s.toldAt(s.wrong(p), "Wrong code. Each code is good once.")
		s.answers(adaPass)
		s.types(greeter, s.code(p))
		s.desktop(ada)
		s.logOut(ada)
	})
	scene("an account that is disabled", func() {
		s.in("sallyport-server account disable ada" + server)
		s.answers(ada)
		s.told(adaPass, disabled)
	})
	scene("an account that has expired", func() {
		s.expired()
		s.answers(olga)
		s.told(adaPass, "This account has expired. Ask your administrator.")
	})
	scene("a password that must be changed", func() {
		s.mustChange()
		s.answers(bob, bobPass, bobPass, bobNext)
		s.types(greeter, bobNext)
		s.desktop(bob)
		s.logOut(bob)
		s.answers(bob)
		s.types(greeter, bobNext)
		s.desktop(bob)
	})
}

// Promise screen-offline.
// Promise screen-refusal.
func TestLightDMOfflineAndWithoutTheDaemon(t *testing.T) {
	s, scene := scenesAt(t, lightDM())
	scene("online first", func() {
		s.answers(bob)
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.goesHome(bob)
	})
	scene("the daemon is started anew under an open prompt, and the keyring opens", func() {
		s.answers(bob)
		s.in("systemctl restart sallyportd")
		s.online()
		s.types(greeter, bobPass)
		s.opened(bob)
		s.logOut(bob)
	})
	scene("the daemon is stopped, and a local person gets in", func() {
		s.answers(bob)
		s.in("systemctl stop sallyportd.socket sallyportd")
		s.told(bobPass, "Sallyport is not running, so this account cannot be checked")
		s.cancel()
		s.answers(lena)
		s.types(greeter, lenaPass)
		s.desktop(lena)
		s.logOut(lena)
		s.in("systemctl start sallyportd.socket sallyportd")
		s.online()
	})
	scene("offline", func() {
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.told(ada, "Offline, and your password was not yet used here.")
		s.cancel()
		s.answers(bob)
		s.toldAt("not bobs password", lightDMRefused)
		s.types(greeter, bobPass)
		s.desktop(bob)
		s.logOut(bob)
	})
	scene("too many wrong answers", func() {
		s.answers(bob)
		for range tries - 1 {
			s.answers("not bobs password")
		}
		s.told("not bobs password", "Too many wrong answers. Try again in")
	})
}

// Promise screen-offline-code.
// Promise screen-left-open.
func TestACodeAtLightDMWithoutTheServer(t *testing.T) {
	s, scene := scenesAt(t, lightDM())
	p := s.enrol()
	scene("where it may be checked here, it is asked for", func() {
		s.offlineCodes()
		s.absent()
		s.answers(ada, adaPass)
		s.types(greeter, s.code(p))
		s.desktop(ada)
		s.logOut(ada)
		s.in("systemctl stop sallyport-server")
		s.offline()
		s.told(cleo, needsCode)
		s.cancel()
		s.answers(ada, adaPass)
		s.toldAt(s.wrong(p), "Wrong code. Each code is good once.")
		s.answers(adaPass)
		s.types(greeter, s.code(p))
		s.desktop(ada)
		s.logOut(ada)
		s.back()
	})
	scene("the greeter was left open", func() {
		s.thinks("4s")
		s.answers(bob)
		s.letGo()
		s.types(greeter, bobPass)
		s.desktop(bob)
	})
}
