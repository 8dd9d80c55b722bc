package test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// states are what may be wrong with us. None may keep a local account out.
func states() map[string]func(t *testing.T, r *machine.Realm) {
	stop := func(t *testing.T, r *machine.Realm) { must(t, r.Daemon.Stop(t.Context())) }
	return map[string]func(t *testing.T, r *machine.Realm){
		"all is well":           func(*testing.T, *machine.Realm) {},
		"daemon not running":    stop,
		"daemon killed":         func(_ *testing.T, r *machine.Realm) { r.Daemon.Kill() },
		"daemon hung":           func(t *testing.T, r *machine.Realm) { must(t, r.Daemon.Signal(syscall.SIGSTOP)) },
		"sockets missing":       func(t *testing.T, r *machine.Realm) { script(t, r, "rm -rf /run/sallyport") },
		"server gone":           func(t *testing.T, r *machine.Realm) { must(t, r.Server.Stop(t.Context())) },
		"server hung":           func(t *testing.T, r *machine.Realm) { must(t, r.Server.Signal(syscall.SIGSTOP)) },
		"configuration missing": func(t *testing.T, r *machine.Realm) { stop(t, r); script(t, r, "rm -rf /etc/sallyport") },
		"state folder missing":  func(t *testing.T, r *machine.Realm) { stop(t, r); script(t, r, "rm -rf /var/lib/sallyport") },
		"module missing": func(t *testing.T, r *machine.Realm) {
			script(t, r, "rm $(find /usr/lib /lib -name pam_sallyport.so -o -name 'libnss_sallyport.so*')")
		},
		"package taken out": func(t *testing.T, r *machine.Realm) {
			script(t, r, "/usr/share/sallyport/configure-host disable")
			stop(t, r)
			script(t, r, "rm $(find /usr/lib /lib -name pam_sallyport.so -o -name 'libnss_sallyport.so*')")
		},
	}
}

// Promise 6, 11 (package taken out, module missing).
func TestLocalAccountsLogInWhateverIsWrongWithUs(t *testing.T) {
	for name, bring := range states() {
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			// The first makes homes and host keys known, so that strace sees only us.
			lets(t, ways(r, local, localPass)["su"], local)
			bring(t, r)
			for name, try := range ways(r, "root", rootPass) {
				t.Run("root by "+name, func(t *testing.T) { lets(t, try, "root") })
			}
			for name, try := range ways(r, local, localPass) {
				t.Run("local by "+name, func(t *testing.T) { lets(t, try, local) })
			}
			t.Run("local by sudo", func(t *testing.T) { lets(t, bySudo(r, local, localPass), "root") })
			t.Run("a local name is resolved without asking anybody", func(t *testing.T) {
				for _, cmd := range []string{"getent passwd root", "getent passwd 0", "getent group root", "getent passwd local"} {
					out := script(t, r, "strace -f -e trace=connect,sendto,sendmsg "+cmd+" 2>&1")
					if strings.Contains(out, "sallyport") {
						t.Errorf("%s asks us:\n%s", cmd, out)
					}
					if !strings.Contains(out, ":x:") {
						t.Errorf("%s finds nothing:\n%s", cmd, out)
					}
				}
			})
		})
	}
}

// Promise 6.
func TestALoginOfALocalAccountNeverConnectsToTheDaemon(t *testing.T) {
	r := joined(t)
	out := script(t, r, fmt.Sprintf(
		"echo '%s' | strace -f -s 200 -e trace=connect sallyport auth-test local --service login 2>&1", localPass))
	if strings.Contains(out, "pam.sock") {
		t.Errorf("the module asked the daemon about a local account:\n%s", out)
	}
	if !strings.Contains(out, "may sign in") {
		t.Errorf("local did not sign in:\n%s", out)
	}
}

// Promise 2.
func TestALocalNameIsNeverAnsweredByTheRealm(t *testing.T) {
	r := joined(t)
	// The realm gets accounts that the machine has, or will have.
	must(t, r.AddPerson(t.Context(), local, adaPass, adaKey+".pub", "others"))
	t.Run("its password does not count", func(t *testing.T) { keepsOut(t, ways(r, local, adaPass)["su"]) })
	t.Run("its keys do not count", func(t *testing.T) { keepsOut(t, byKey(r, local)) })
	t.Run("the local password still does", func(t *testing.T) { lets(t, ways(r, local, localPass)["su"], local) })
	t.Run("a local account made later takes over", func(t *testing.T) {
		lets(t, byKey(r, ada), ada)
		script(t, r, `echo 'ada:x:4242:4242::/tmp:/bin/bash' >> /etc/passwd; echo 'ada:*:19000::::::' >> /etc/shadow`)
		keepsOut(t, byKey(r, ada))
		keepsOut(t, ways(r, ada, adaPass)["ssh keyboard-interactive"])
	})
}

// Promise 2.
func TestAnExpiredLocalAccountIsStillRefused(t *testing.T) {
	r := joined(t)
	script(t, r, "chage -E 1 local; mkdir -p /home/local/.ssh; cp "+adaKey+".pub /home/local/.ssh/authorized_keys; chown -R local: /home/local/.ssh; chmod 700 /home/local/.ssh")
	keepsOut(t, byKey(r, local))
	keepsOut(t, ways(r, local, localPass)["ssh keyboard-interactive"])
}
