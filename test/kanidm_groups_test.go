package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/test/kanidm"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// Nobody on the machine is in the group, and nobody was ever asked for.
// Promise groups-on-demand.
func TestAGroupOfAKanidmServerIsNamedWithoutAnybodyInIt(t *testing.T) {
	w := onKanidm(t, "")
	r := w.Realm
	developers := &kanidm.Group{Name: "developers", GID: 70200, UUID: uuid.New()}
	w.server.WithGroups(func([]*kanidm.Group) []*kanidm.Group {
		return []*kanidm.Group{
			developers,
			{Name: "testers", GID: 70201, UUID: uuid.New()},
			{Name: "flat", UUID: uuid.New(), NotPOSIX: true},
			{Name: "sudo", GID: 70202, UUID: uuid.New()},
			{Name: "reserved", GID: 61200, UUID: uuid.New()},
		}
	})
	says := func(t *testing.T, line, want string) {
		t.Helper()
		if out := script(t, r, line); out != want {
			t.Errorf("%s says %q, want %q", line, out, want)
		}
	}
	// by waits until the daemon has fetched anew what changed on the server.
	by := func(t *testing.T, line, want string) {
		t.Helper()
		within(t, r, 20e9, func() error {
			out, err := r.Script(t.Context(), line)
			if err == nil && out != want {
				err = fmt.Errorf("%s says %q, want %q", line, out, want)
			}
			return err
		})
	}
	t.Run("by name, by number, and of a file", func(t *testing.T) {
		script(t, r, "touch /srv/file; chown root:70201 /srv/file")
		says(t, "getent group developers", "developers:x:70200:\n")
		says(t, "stat -c %G /srv/file; ls -l /srv/file | cut -d' ' -f4", "testers\ntesters\n")
		says(t, "chgrp developers /srv/file; stat -c '%g %G' /srv/file", "70200 developers\n")
		says(t, "getent group 70200", "developers:x:70200:\n")
		says(t, "getent group bob", "bob:x:70001:\n") // before anybody asked for him
		says(t, "getent group crew; id -Gn bob | tr ' ' '\\n' | sort", "crew:x:70100:\nbob\ncrew\nwheel\n")
		within(t, r, machine.Patience, func() error { // his own group is in the file already, and is there without him until the next
			if out := script(t, r, "getent group bob"); out != "bob:x:70001:bob\n" {
				return fmt.Errorf("getent says %q", out)
			}
			return nil
		})
		says(t, "getent group crew bob", "crew:x:70100:bob\nbob:x:70001:bob\n")
	})
	t.Run("and it is nobody's, nor what is local, reserved or no POSIX group", func(t *testing.T) {
		says(t, "getent passwd developers 70200 || echo nobody", "nobody\n")
		says(t, "getent group flat reserved 61200 70202 nosuchgroup || echo none", "none\n")
		if out := script(t, r, "getent group sudo"); !strings.Contains(out, ":27:") {
			t.Errorf("sudo is %q", out)
		}
		s := w.status(t)
		for _, text := range []string{"online for", "groups that were asked for: "} {
			if !strings.Contains(s, text) {
				t.Errorf("status lacks %q:\n%s", text, s)
			}
		}
	})
	t.Run("it is in the file that every program reads", func(t *testing.T) {
		by(t, "getent -s sallyport group | cut -d: -f1 | sort | tr '\\n' ' '", "bob crew developers testers ")
		must(t, r.Daemon.Stop(t.Context()))
		says(t, "stat -c %G /srv/file; getent group developers 70201", "developers\ndevelopers:x:70200:\ntesters:x:70201:\n")
	})
	t.Run("offline, after a restart", func(t *testing.T) {
		w.server.Close()
		must(t, r.StartDaemon(t.Context()))
		by(t, "getent -s sallyport group | cut -d: -f1 | sort | tr '\\n' ' '", "bob crew developers testers ")
		says(t, "stat -c %G /srv/file; getent group 70201 || echo none", "developers\ntesters:x:70201:\n")
		must(t, w.server.Return(t.Context()))
	})
	t.Run("a group that is made now is found now", func(t *testing.T) {
		says(t, "getent group late || echo none", "none\n")
		w.server.WithGroups(func(list []*kanidm.Group) []*kanidm.Group {
			return append(list, &kanidm.Group{Name: "late", GID: 70203, UUID: uuid.New()})
		})
		by(t, "getent group late || echo none", "late:x:70203:\n") // the server may just have returned
	})
	t.Run("renamed, renumbered and removed", func(t *testing.T) {
		w.server.WithGroups(func(list []*kanidm.Group) []*kanidm.Group { developers.Name = "builders"; return list })
		by(t, "stat -c %G /srv/file", "builders\n")
		w.server.WithGroups(func(list []*kanidm.Group) []*kanidm.Group { developers.GID = 70299; return list })
		by(t, "stat -c %G /srv/file; getent group builders || echo none", "UNKNOWN\nnone\n")
		if s := w.status(t); !strings.Contains(s, "group builders: its gid changed, or was another group's") {
			t.Errorf("status says\n%s", s)
		}
		w.server.WithGroups(func(list []*kanidm.Group) []*kanidm.Group { return list[:1] })
		by(t, "getent group testers late || echo none", "none\n")
	})
}
