package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const countess = "countess"

// knowsName waits until the machine answers for a name of that database, or does not.
func knowsName(t *testing.T, r *machine.Realm, database, name string, want bool) {
	t.Helper()
	within(t, r, 2*time.Second+machine.Patience/10, func() error {
		out, _ := r.Run(t.Context(), "getent", database, name)
		if strings.HasPrefix(out, name+":") != want {
			return fmt.Errorf("getent %s %s: %q", database, name, out)
		}
		return nil
	})
}

// Promise rename-account.
func TestARenamedPersonSignsInAsTheNewName(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	before := script(t, r, "id -u "+ada)
	open := sits(t, r, ada)
	out := admin(t, r, "", "account", "set", ada, "--name", countess)
	if !strings.Contains(out, countess) {
		t.Errorf("account set says\n%s", out)
	}
	knowsName(t, r, "passwd", countess, true)
	knowsName(t, r, "passwd", ada, false)
	knowsName(t, r, "group", ada, false)
	if now := script(t, r, "id -u "+countess); now != before {
		t.Errorf("uid %s, was %s", now, before)
	}
	if home := script(t, r, "getent passwd "+countess); !strings.Contains(home, ":/home/ada:") {
		t.Errorf("the home moved: %s", home)
	}
	for _, host := range []string{"su", "ssh keyboard-interactive", "login"} {
		t.Run(host, func(t *testing.T) {
			lets(t, ways(r, countess, adaPass)[host], countess)
			keepsOut(t, ways(r, ada, adaPass)[host])
		})
	}
	t.Run("ssh by key", func(t *testing.T) {
		lets(t, byKey(r, countess), countess)
		keepsOut(t, byKey(r, ada))
	})
	t.Run("a session that was open goes on", func(t *testing.T) {
		screen, code, _ := open.types("id -un")
		if code != 0 || !strings.Contains(screen, countess) {
			t.Errorf("exit code %d:\n%s", code, screen)
		}
	})
	t.Run("offline", func(t *testing.T) {
		must(t, r.Server.Stop(t.Context()))
		must(t, r.WaitOffline(t.Context()))
		lets(t, ways(r, countess, adaPass)["su"], countess)
		keepsOut(t, ways(r, ada, adaPass)["su"])
	})
}

// Promise rename-account.
func TestARenamedPersonSignsInOfflineWithoutALoginBefore(t *testing.T) {
	r := joined(t)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	admin(t, r, "", "account", "set", ada, "--name", countess)
	knowsName(t, r, "passwd", countess, true)
	must(t, r.Server.Stop(t.Context()))
	must(t, r.WaitOffline(t.Context()))
	lets(t, ways(r, countess, adaPass)["su"], countess)
}

// Promise rename-group.
func TestARenamedGroupCountsByItsNewName(t *testing.T) {
	r := joined(t)
	must(t, r.WriteFile("/etc/sudoers.d/renamed", "%admins ALL=(ALL:ALL) ALL\n%engineers ALL=(ALL:ALL) ALL\n", 0o440))
	sudo := func(ctx context.Context) (machine.Outcome, error) { return r.Sudo(ctx, ada, adaPass) }
	o, err := sudo(t.Context())
	must(t, err)
	if !o.OK() {
		t.Fatalf("before: %s", o.Screen)
	}
	gid := script(t, r, "getent group admins | cut -d: -f3")
	admin(t, r, "", "group", "set", "admins", "--name", "engineers")
	knowsName(t, r, "group", "engineers", true)
	knowsName(t, r, "group", "admins", false)
	if now := script(t, r, "getent group engineers | cut -d: -f3"); now != gid {
		t.Errorf("gid %s, was %s", now, gid)
	}
	if now := script(t, r, "id -Gn "+ada); !strings.Contains(now, "engineers") || strings.Contains(now, "admins") {
		t.Errorf("groups of ada: %s", now)
	}
	if o, err = sudo(t.Context()); err != nil || !o.OK() {
		t.Errorf("after: %v\n%s", err, o.Screen)
	}
	must(t, r.WriteFile("/etc/sudoers.d/renamed", "%admins ALL=(ALL:ALL) ALL\n", 0o440))
	if o, err = sudo(t.Context()); err != nil || o.OK() {
		t.Errorf("a rule for the old name still counts: %v\n%s", err, o.Screen)
	}
}
