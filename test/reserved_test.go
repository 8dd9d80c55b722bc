package test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Nothing that packages, sudoers(5) or newuidmap(1) trust comes from the realm.
func TestNoSystemNameAndNoSubordinateIDIsTheRealms(t *testing.T) {
	r := joined(t)
	for _, line := range [][]string{{"account", "add", "docker"}, {"group", "add", "wheel"}, {"account", "add", "root"}, {"account", "add", "low", "--uid", "1000"}} {
		if out, err := r.Admin(t.Context(), "", line...); err == nil {
			t.Errorf("%q is accepted: %s", line, out)
		}
	}
	lets(t, ways(r, ada, adaPass)["login"], ada)
	uid := strings.TrimSpace(script(t, r, "id -u "+ada))
	gone := func(want bool) func() error {
		return func() error {
			if _, err := r.Run(t.Context(), "/usr/bin/id", ada); (err != nil) != want {
				return fmt.Errorf("id says %w", err)
			}
			return nil
		}
	}
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		script(t, r, "cp "+file+" /tmp/kept; echo '"+local+":"+uid+":65536' >> "+file)
		within(t, r, 10*time.Second, gone(true))
		keepsOut(t, ways(r, ada, adaPass)["login"])
		if out := script(t, r, "sallyport status || true; sallyport explain "+ada+" || true"); !strings.Contains(out, "/etc/subuid or /etc/subgid") {
			t.Errorf("%s: status and explain say\n%s", file, out)
		}
		script(t, r, "cat /tmp/kept > "+file)
		within(t, r, 10*time.Second, gone(false))
		lets(t, ways(r, ada, adaPass)["login"], ada)
	}
}
