package test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// shell is somebody's shell on a terminal of its own.
type shell struct {
	*machine.Console
	t *testing.T
}

// sits gives a person a terminal.
func sits(t *testing.T, r *machine.Realm, name string) *shell {
	t.Helper()
	c, err := r.Console(t.Context(), "/usr/sbin/runuser", "-u", name, "--", "/bin/sh")
	must(t, err)
	t.Cleanup(c.Hangup)
	return &shell{c, t}
}

// types runs a command line, answers its questions in turn, and returns what stood
// on the screen, its exit code, and how often it asked.
func (s *shell) types(line string, answers ...string) (screen string, code, asked int) {
	s.t.Helper()
	must(s.t, s.Send(line+`; echo "ended with $?."`))
	questions := []string{"assword for ada: ", "assword: ", "assword for local: ", "ended with 0.", "ended with 1."}
	for {
		seen, err := s.Expect(s.t.Context(), questions...)
		must(s.t, err)
		screen += seen
		if _, after, ended := strings.Cut(seen, "ended with "); ended && !strings.HasPrefix(after, "$") || strings.HasSuffix(seen, ".") {
			return screen, int(seen[len(seen)-2] - '0'), asked
		}
		asked++
		answer := ""
		if len(answers) > 0 {
			answer, answers = answers[0], answers[1:]
		}
		must(s.t, s.Send(answer))
	}
}

// becomesRoot runs sudo and wants it to ask that often and to succeed.
func (s *shell) becomesRoot(asks int, line string, answers ...string) {
	s.t.Helper()
	screen, code, asked := s.types(line, answers...)
	if code != 0 || asked != asks || !strings.Contains(screen, "uid=0(root)") {
		s.t.Errorf("%s: exit code %d, asked %d times, want %d:\n%s", line, code, asked, asks, screen)
	}
}

// staysOut runs sudo and wants it to refuse.
func (s *shell) staysOut(line string, answers ...string) (string, int) {
	s.t.Helper()
	screen, code, asked := s.types(line, answers...)
	if code == 0 || strings.Contains(screen, "uid=0(root)") {
		s.t.Errorf("%s: exit code %d:\n%s", line, code, screen)
	}
	return screen, asked
}

// configured is joined, with more lines in sallyportd.toml.
func configured(t *testing.T, lines string) *machine.Realm {
	t.Helper()
	r := joined(t)
	reconfigure(t, r, lines)
	return r
}

func reconfigure(t *testing.T, r *machine.Realm, lines string) {
	t.Helper()
	must(t, r.Daemon.Stop(t.Context()))
	f, err := os.OpenFile(r.Path("/etc/sallyport/sallyportd.toml"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("\n" + lines + "\n")
	must(t, err)
	must(t, f.Close())
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
}

// Promise proof-place.
func TestSudoAsksOnceForEachTerminal(t *testing.T) {
	r := joined(t)
	one, two := sits(t, r, ada), sits(t, r, ada)
	one.becomesRoot(1, "sudo id", adaPass)
	one.becomesRoot(0, "sudo id")
	one.becomesRoot(0, "sudo -n id")
	two.becomesRoot(1, "sudo id", adaPass)
	three := sits(t, r, ada)
	if s, asked := three.staysOut("sudo -n id"); asked != 0 || !strings.Contains(s, "a password is required") {
		t.Errorf("sudo -n says %s", s)
	}
	if s, asked := three.staysOut("sudo id", "wrong", "wrong", "wrong"); asked == 0 {
		t.Errorf("it did not ask: %s", s)
	}
	must(t, unlockOnServer(t, r))

	t.Run("whoami tells it, and only where it is so", func(t *testing.T) {
		if s, code, _ := one.types("sallyport whoami"); code != 0 || !strings.Contains(s, "sudo: does not ask for") {
			t.Errorf("whoami says %s", s)
		}
		if s, code, _ := three.types("sallyport whoami"); code != 0 || !strings.Contains(s, "nothing is proved") {
			t.Errorf("whoami says %s", s)
		}
	})
	t.Run("another session on the same terminal has none", func(t *testing.T) {
		one.staysOut("setsid -w sudo -n id")
	})
	t.Run("sudo -k does not forget it, sallyport logout does", func(t *testing.T) {
		one.becomesRoot(0, "sudo -k; sudo id")
		if s, code, _ := one.types("sallyport logout"); code != 0 {
			t.Errorf("drop: %s", s)
		}
		one.becomesRoot(1, "sudo id", adaPass)
		two.becomesRoot(1, "sudo id", adaPass)
	})
	t.Run("drop --session leaves the others", func(t *testing.T) {
		if s, code, _ := one.types("sallyport logout --session"); code != 0 {
			t.Errorf("drop: %s", s)
		}
		one.becomesRoot(1, "sudo id", adaPass)
		two.becomesRoot(0, "sudo id")
	})
	t.Run("a restart of the daemon asks again", func(t *testing.T) {
		must(t, r.Daemon.Stop(t.Context()))
		must(t, r.StartDaemon(t.Context()))
		must(t, r.WaitOnline(t.Context()))
		one.becomesRoot(1, "sudo id", adaPass)
	})
	t.Run("sudo -S takes the password from its input", func(t *testing.T) {
		four := sits(t, r, ada)
		four.becomesRoot(0, "echo '"+adaPass+"' | sudo -S -p '' id")
	})
	t.Run("a rule without a password asks too", func(t *testing.T) {
		script(t, r, "echo '%admins ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admins")
		five := sits(t, r, ada)
		five.becomesRoot(1, "sudo id", adaPass)
		five.becomesRoot(0, "sudo id")
	})
}

// A cron job of the same account, or root's su to it, comes and goes while she types.
// Promise clients-sudo-question.
func TestASudoQuestionOutlivesOtherSessions(t *testing.T) {
	r := joined(t)
	one := sits(t, r, ada)
	must(t, one.Send("sudo id"))
	_, err := one.Expect(t.Context(), "assword for ada: ")
	must(t, err)
	script(t, r, "su ada -c true; su - ada -c true")
	must(t, one.Send(adaPass))
	seen, err := one.Expect(t.Context(), "uid=0(root)", "assword for ada: ")
	must(t, err)
	if !strings.HasSuffix(seen, "uid=0(root)") {
		t.Errorf("she is asked again:\n%s", seen)
	}
}

// Promise proof-fresh.
func TestAProofThatIsTooOldIsAskedForAgain(t *testing.T) {
	r := configured(t, "[service.sudo]\nmax_age = \"3s\"")
	one := sits(t, r, ada)
	one.becomesRoot(1, "sudo id", adaPass)
	// sudo's own timestamp is valid for minutes: it is the account phase that asks.
	within(t, r, machine.Patience, func() error {
		if out, err := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada, "--service", "sudo", "--json"); err != nil || !strings.Contains(out, `"proofs": []`) {
			return fmt.Errorf("explain says %s (%w)", out, err)
		}
		return nil
	})
	if s, asked := one.staysOut("sudo -n id"); asked != 0 {
		t.Errorf("sudo -n asks: %s", s)
	}
	one.staysOut("sudo id", "wrong")
	must(t, unlockOnServer(t, r))
	one.becomesRoot(1, "sudo id", adaPass)
}

// Promise proof-ends.
func TestWhoeverIsRevokedBetweenTwoSudosStaysOut(t *testing.T) {
	for what, revoke := range map[string]func(t *testing.T, r *machine.Realm){
		"disabled": func(t *testing.T, r *machine.Realm) { t.Helper(); admin(t, r, "", "account", "disable", ada) },
		"disabled and enabled": func(t *testing.T, r *machine.Realm) {
			t.Helper()
			admin(t, r, "", "account", "disable", ada)
			admin(t, r, "", "account", "enable", ada)
		},
		"another password": func(t *testing.T, r *machine.Realm) {
			t.Helper()
			admin(t, r, "quite another password", "account", "set-password", ada)
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := joined(t)
			one := sits(t, r, ada)
			one.becomesRoot(1, "sudo id", adaPass)
			revoke(t, r)
			within(t, r, machine.Patience, func() error {
				if out, _ := r.Run(t.Context(), "/usr/bin/sallyport", "explain", ada, "--service", "sudo", "--json"); strings.Contains(out, `"proved`) || strings.Contains(out, `"leader"`) {
					return fmt.Errorf("explain says %s", out)
				}
				return nil
			})
			one.staysOut("sudo -n id")
		})
	}
}

// Promise sudo-local.
func TestWithoutTheDaemonSudoIsRefusedToTheRealmAlone(t *testing.T) {
	r := joined(t)
	hers, theirs := sits(t, r, ada), sits(t, r, local)
	hers.becomesRoot(1, "sudo id", adaPass)
	theirs.becomesRoot(1, "sudo id", localPass)
	theirs.becomesRoot(0, "sudo id")
	must(t, r.Daemon.Signal(syscall.SIGSTOP))
	begin := time.Now()
	hers.staysOut("sudo -n id")
	theirs.becomesRoot(0, "sudo id")
	theirs.becomesRoot(1, "sudo -k; sudo id", localPass)
	t.Logf("with a daemon that hangs: %v", time.Since(begin))
	must(t, r.Daemon.Signal(syscall.SIGCONT))
	hers.becomesRoot(0, "sudo id")
	must(t, r.Daemon.Stop(t.Context()))
	hers.staysOut("sudo -n id")
	hers.staysOut("sudo id", adaPass, adaPass, adaPass)
	theirs.becomesRoot(0, "sudo id")
	out, err := r.Run(t.Context(), "/bin/su", ada, "-c", "true")
	if err == nil || !strings.Contains(out, "Sallyport is not running, so this account cannot be checked.") {
		t.Errorf("root's su says (%v)\n%s", err, out)
	}
}

// Promise sudo-local.
func TestStepUpLeavesRootAlone(t *testing.T) {
	r := configured(t, "[service.su]\nstep_up = true")
	if out := script(t, r, "su - ada -c 'id -un'"); strings.TrimSpace(out) != ada {
		t.Errorf("su from root: %q", out)
	}
	out := script(t, r, "sudo -u ada id -un; sudo id -un")
	if out != "ada\nroot\n" {
		t.Errorf("sudo by root: %q", out)
	}
}

func TestTheDropInOfSudoLeavesTheRememberingToUs(t *testing.T) {
	r := joined(t)
	script(t, r, `
		visudo -c
		test "$(stat -c %a:%U /etc/sudoers.d/sallyport)" = 440:root
		cp -a /etc/sudoers.d/sallyport /tmp/shipped
		sed -i 's/^#Defaults/Defaults/' /etc/sudoers.d/sallyport
		visudo -c`)
	hers, theirs := sits(t, r, ada), sits(t, r, local)
	if s, asked := hers.staysOut("sudo -n id"); asked != 0 || !strings.Contains(s, "a password is required") {
		t.Errorf("sudo -n asked %d times: %s", asked, s)
	}
	hers.becomesRoot(2, "sudo id", "wrong", adaPass)
	hers.becomesRoot(0, "sudo id")
	hers.becomesRoot(0, "sudo -n id")
	if s, code, _ := hers.types("sallyport logout"); code != 0 {
		t.Errorf("drop: %s", s)
	}
	hers.staysOut("sudo -n id")
	theirs.becomesRoot(1, "sudo id", localPass)
	theirs.becomesRoot(0, "sudo id")
	t.Run("what an administrator changed stays, what is ours goes", func(t *testing.T) {
		script(t, r, `
			/usr/share/sallyport/configure-host enable; grep -q '^Defaults:%admins' /etc/sudoers.d/sallyport
			/usr/share/sallyport/configure-host disable; grep -q '^Defaults:%admins' /etc/sudoers.d/sallyport
			rm /etc/sudoers.d/sallyport
			/usr/share/sallyport/configure-host enable; cmp /tmp/shipped /etc/sudoers.d/sallyport
			/usr/share/sallyport/configure-host disable; test ! -e /etc/sudoers.d/sallyport
			visudo -c`)
	})
}
