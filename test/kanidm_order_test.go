package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/test/kanidm"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// labCA vouches for the second server.
const labCA = "/etc/sallyport/lab-ca.pem"

// Both servers have a bob and a group admins, which sudoers(5) means as the first's.
// The second alone has carol, and says that she is of admins.
// Promise realms-newcomer.
func TestOfTwoKanidmServersTheFirstHasItsNames(t *testing.T) {
	r := bare(t)
	w, second, ctx := kanidmServer(t, r), kanidm.StartAs("lab.example.com"), t.Context()
	t.Cleanup(func() { second.Close() })
	const carol, carolPass, carolUID, othersBob = "carol", "carol's own", 1879048300, 1879048301
	second.With(func(p *kanidm.Person) {
		*p = kanidm.Person{
			Name: carol, UID: carolUID, UUID: uuid.New(), POSIX: carolPass, Shell: "/bin/bash",
			Groups: []map[string]any{
				{"name": "admins", "spn": "admins@lab.example.com", "uuid": uuid.NewString(), "gidnumber": 1879048400},
				{"name": "lab", "spn": "lab@lab.example.com", "uuid": uuid.NewString(), "gidnumber": 1879048401},
			},
		}
	})
	second.Add(&kanidm.Person{Name: bob, UID: othersBob, UUID: uuid.New(), POSIX: carolPass})
	w.server.WithGroups(func([]*kanidm.Group) []*kanidm.Group {
		return []*kanidm.Group{{Name: "admins", GID: 70300, UUID: uuid.New()}}
	})
	must(t, r.WriteFile(labCA, string(second.CA()), 0o644))
	script(t, r, `echo '%admins ALL=(root) NOPASSWD: /usr/bin/id' > /etc/sudoers.d/admins; chmod 0440 /etc/sudoers.d/admins`)
	w.newKey(t)
	must(t, w.WriteFile("/etc/sallyport/sallyportd.toml", w.provider(`ids = ["65536-524287"]`)+
		kanidmProvider(second, "lab.example.com", labCA, `ids = ["1879048192-2147352575"]`)+fmt.Sprintf(
		"[machine]\nid = %q\n[login]\nallow = [\"*@idm.example.com\", \"*@lab.example.com\"]\n", uuid.NewString()), 0o644))

	w.server.Close() // the machine has never seen the first
	must(t, w.StartDaemon(ctx))
	must(t, w.StartSSHD(ctx))
	login := func(name, password string) map[string]attempt { return ways(r, name, password) }
	t.Run("while the first is away nobody new of the second is taken", func(t *testing.T) {
		if out := script(t, r, "set +e; id carol 2>&1; id -un 1879048300 2>&1; sallyport explain carol; true"); strings.Contains(out, "uid=") ||
			!strings.Contains(out, "The server of idm.example.com cannot be reached") {
			t.Errorf("she is\n%s", out)
		}
		for name, try := range login(carol, carolPass) {
			t.Run(name, func(t *testing.T) { keepsOut(t, try) })
		}
	})
	must(t, w.server.Return(ctx))
	within(t, r, machine.Patience, func() error { _, err := r.Script(ctx, "id carol"); return err })
	known := func(t *testing.T) {
		t.Helper()
		if out := script(t, r, "id -u carol; id -nG carol; getent group admins"); out != "1879048300\ncarol lab\nadmins:x:70300:\n" {
			t.Errorf("she is %q", out)
		}
		for name, try := range login(carol, carolPass) {
			t.Run(name, func(t *testing.T) { lets(t, try, carol) })
		}
		if out := script(t, r, "runuser -u carol -- sudo -n id 2>&1 || true"); strings.Contains(out, "uid=0") {
			t.Errorf("the second's group is the one that sudoers means:\n%s", out)
		}
	}
	t.Run("the first has none of that name, and has the group", known)
	t.Run("a name that both have is the first's", func(t *testing.T) {
		if out := script(t, r, fmt.Sprintf("id -un %d 2>&1 || true; id -u bob; sallyport status || true", othersBob)); !strings.Contains(out, "\n70001\n") ||
			!strings.Contains(out, "its name is that of an account of a realm that comes first") {
			t.Errorf("it is\n%s", out)
		}
	})
	t.Run("the first away again", func(t *testing.T) {
		w.server.Close()
		known(t)
		must(t, w.server.Return(ctx))
	})
	t.Run("somebody comes to the first", func(t *testing.T) {
		w.server.Add(&kanidm.Person{Name: carol, UID: 70005, UUID: uuid.New(), POSIX: bobPass, Shell: "/bin/bash"})
		within(t, r, machine.Patience, func() error {
			_, err := r.SU(ctx, local, carol, bobPass) // whoever tries, with whatever, makes it known
			if out := script(t, r, "id -u carol"); err == nil && out != "70005\n" {
				err = fmt.Errorf("carol is %s", out)
			}
			return err
		})
		lets(t, login(carol, bobPass)["ssh password"], carol)
		keepsOut(t, login(carol, carolPass)["ssh password"])
	})
}
