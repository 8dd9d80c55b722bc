package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// unlockScreen is a screen locker: a program of the person's own, without any
// rights, that takes the PAM stack to see whether it is still them.
func unlockScreen(r *machine.Realm, who, asks, password string) attempt {
	return func(ctx context.Context) (machine.Outcome, error) {
		return r.RunAs(ctx, "root", fmt.Sprintf("echo '%s' | setpriv --reuid=$(id -u %s) --regid=$(id -g %s) --clear-groups "+
			"sallyport auth-test %s --service locker", password, who, who, asks))
	}
}

// Promise 5, screen-lockers.
func TestAScreenLockerChecksItsOwnPersonOnly(t *testing.T) {
	r := joined(t)
	must(t, r.AddPerson(t.Context(), "grace", adaPass, adaKey+".pub", "others"))
	must(t, r.WriteFile("/etc/pam.d/locker", "@include common-auth\n@include common-account\n", 0o644))
	lets(t, ways(r, "grace", adaPass)["su"], "grace")
	unlocks := func(t *testing.T, try attempt) {
		t.Helper()
		o, err := try(t.Context())
		must(t, err)
		if !o.OK() || !strings.Contains(o.Screen, "may sign in") {
			t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
		}
	}
	staysLocked := func(t *testing.T, try attempt) string {
		t.Helper()
		o, err := try(t.Context())
		must(t, err)
		if o.OK() || strings.Contains(o.Screen, "may sign in through") {
			t.Errorf("exit code %d:\n%s", o.Code, o.Screen)
		}
		return o.Screen
	}
	t.Run("the right password", func(t *testing.T) { unlocks(t, unlockScreen(r, ada, ada, adaPass)) })
	t.Run("a wrong one", func(t *testing.T) {
		if s := staysLocked(t, unlockScreen(r, ada, ada, "wrong")); strings.Contains(s, identity.Refused) {
			t.Errorf("a locker is told what it says itself, and may wait for OK:\n%s", s)
		}
	})
	t.Run("another's right password", func(t *testing.T) { staysLocked(t, unlockScreen(r, ada, "grace", adaPass)) })
	t.Run("a local account's helper asks for a directory account", func(t *testing.T) {
		staysLocked(t, unlockScreen(r, local, ada, adaPass))
	})
	t.Run("offline", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		told := false
		unlocks(t, func(ctx context.Context) (machine.Outcome, error) {
			o, err := unlockScreen(r, ada, ada, adaPass)(ctx)
			told = strings.Contains(o.Screen, "Offline.")
			return o, err
		})
		if told {
			t.Error("a locker is told more than yes, and may wait for OK")
		}
	})
	t.Run("guesses are counted, and then even the right one waits", func(t *testing.T) {
		for range 5 {
			staysLocked(t, unlockScreen(r, ada, ada, "wrong"))
		}
		if s := staysLocked(t, unlockScreen(r, ada, ada, adaPass)); !strings.Contains(s, "Too many wrong answers") {
			t.Errorf("it does not say why:\n%s", s)
		}
	})
	t.Run("which keeps nobody else out", func(t *testing.T) { unlocks(t, unlockScreen(r, "grace", "grace", adaPass)) })
	t.Run("and an administrator lifts it", func(t *testing.T) {
		script(t, r, "sallyport unlock ada")
		unlocks(t, unlockScreen(r, ada, ada, adaPass))
	})
}
