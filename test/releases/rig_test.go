//go:build releases

package releases

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// ada lives on the server, local on the machine.
const (
	ada     = "ada"
	adaPass = "correct horse battery"
	local   = "local"
	adaKey  = "/root/ada_key"
)

// What is upgraded together, on a workstation.
var workstation = []string{"sallyportd", "sallyport", "sallyport-keys", "sallyport-subids"}

func TestMain(m *testing.M) {
	if err := machine.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is a machine and its server, each of a release.
type pair struct {
	*machine.Realm
	t          *testing.T
	old, today string
}

// lastRelease is a machine and a server of the last release that ada signed in to.
func lastRelease(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, old: os.Getenv("SALLYPORT_OLD_RELEASE")}
	if p.old == "" {
		t.Fatal("SALLYPORT_OLD_RELEASE is not set: run make test-releases")
	}
	var err error
	p.today, err = machine.RepoRoot()
	must(t, err)
	m, err := machine.New()
	must(t, err)
	p.Realm = &machine.Realm{Machine: m}
	t.Cleanup(func() {
		if t.Failed() {
			for what, process := range map[string]*machine.Process{"daemon": p.Daemon, "server": p.Server} {
				if process != nil {
					t.Logf("── what the %s printed ──\n%s", what, process.Output)
				}
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	must(t, p.InstallFrom(ctx, p.old))
	p.script(`useradd -m -s /bin/bash ` + local + `
		printf 'PermitRootLogin yes\nMaxStartups 100\nKbdInteractiveAuthentication yes\n' > /etc/ssh/sshd_config.d/90-test.conf
		if sshd -T 2>/dev/null | grep -qi '^persourcepenalties'; then echo 'PerSourcePenalties no' >> /etc/ssh/sshd_config.d/90-test.conf; fi
		ssh-keygen -q -t ed25519 -N '' -f ` + adaKey)
	must(t, p.StartServer(ctx))
	must(t, p.AddPerson(ctx, ada, adaPass, adaKey+".pub", "admins"))
	p.admin("group", "add", "crew")
	must(t, p.Join(ctx))
	must(t, p.StartDaemon(ctx))
	must(t, p.WaitOnline(ctx))
	must(t, p.StartSSHD(ctx))
	p.lets("before anything is upgraded", p.byPassword)
	return p
}

func (p *pair) script(lines string) string {
	p.t.Helper()
	out, err := p.Script(p.t.Context(), lines)
	must(p.t, err)
	return out
}

func (p *pair) admin(words ...string) string {
	p.t.Helper()
	out, err := p.Admin(p.t.Context(), "", words...)
	must(p.t, err)
	return out
}

// serverOf serves the realm's folder with the program of that tree.
func (p *pair) serverOf(tree string) {
	p.t.Helper()
	ctx := p.t.Context()
	must(p.t, p.Server.Stop(ctx))
	must(p.t, p.WaitOffline(ctx))
	must(p.t, p.Replace(tree, "sallyport-server"))
	must(p.t, p.StartServer(ctx))
	p.online()
}

// machineOf goes on with the workstation's programs of that tree.
func (p *pair) machineOf(tree string) {
	p.t.Helper()
	must(p.t, p.Daemon.Stop(p.t.Context()))
	must(p.t, p.Replace(tree, workstation...))
	must(p.t, p.StartDaemon(p.t.Context()))
	p.online()
}

func (p *pair) online() {
	p.t.Helper()
	if err := p.WaitOnline(p.t.Context()); err != nil {
		p.t.Fatalf("the machine is not online: %v", err)
	}
}

type attempt func(context.Context) (machine.Outcome, error)

func (p *pair) byPassword(ctx context.Context) (machine.Outcome, error) {
	return p.SSHPassword(ctx, "keyboard-interactive", ada, adaPass)
}

func (p *pair) byKey(ctx context.Context) (machine.Outcome, error) {
	return p.SSHKey(ctx, adaKey, ada)
}

func (p *pair) lets(when string, try attempt) {
	p.t.Helper()
	o, err := try(p.t.Context())
	must(p.t, err)
	if !o.OK() || !strings.Contains(o.Screen, machine.Proof(ada)) {
		p.t.Errorf("%s: %s is not in (exit code %d):\n%s", when, ada, o.Code, o.Screen)
	}
}

func (p *pair) keepsOut(when string, try attempt) {
	p.t.Helper()
	o, err := try(p.t.Context())
	must(p.t, err)
	if o.OK() || strings.Contains(o.Screen, "I am ") {
		p.t.Errorf("%s: someone is in (exit code %d):\n%s", when, o.Code, o.Screen)
	}
}

// soon waits for what a shell's test says.
func (p *pair) soon(what, lines string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Eventually(ctx, func() error {
		_, err := p.Script(ctx, lines)
		return err
	}); err != nil {
		p.t.Errorf("%s: %v", what, err)
	}
}

// quiet asserts that nobody is told of an impostor, a forgery or another trouble of trust. status
// ends with 1 where no server answers.
func (p *pair) quiet(when string) {
	p.t.Helper()
	out := p.script("sallyport status || true") + p.Daemon.Output.String()
	for _, word := range []string{"ALARM", "forge", "could not prove to be the server", "unknown field"} {
		if strings.Contains(out, word) {
			p.t.Errorf("%s: %q is said:\n%s", when, word, out)
		}
	}
}

// works is all that a machine owes a person and an administrator, with the server and
// without it. It leaves ada out of the group crew again, and active.
func (p *pair) works(when string) {
	p.t.Helper()
	p.script("getent passwd " + ada + " && id -nG " + ada + " | grep -qw admins")
	p.lets(when+", by password", p.byPassword)
	p.lets(when+", by ssh key", p.byKey)
	p.keepsOut(when+", with a wrong password", func(ctx context.Context) (machine.Outcome, error) {
		return p.SSHPassword(ctx, "keyboard-interactive", ada, "wrong")
	})
	p.admin("group", "add-member", "crew", ada)
	p.soon(when+", a new group", "id -nG "+ada+" | grep -qw crew")
	p.admin("group", "remove-member", "crew", ada)
	p.soon(when+", a group that was taken away", "! id -nG "+ada+" | grep -qw crew")
	p.admin("account", "disable", ada)
	p.soon(when+", the account disabled", "sallyport explain "+ada+" | grep -qi disabled")
	p.keepsOut(when+", disabled, by ssh key", p.byKey)
	p.keepsOut(when+", disabled, by password", p.byPassword)
	p.admin("account", "enable", ada)
	p.soon(when+", the account enabled", "! sallyport explain "+ada+" | grep -qi disabled")
	p.lets(when+", enabled again", p.byPassword)
	p.quiet(when)

	ctx := p.t.Context()
	must(p.t, p.Server.Stop(ctx))
	must(p.t, p.WaitOffline(ctx))
	p.lets(when+", offline, by password", p.byPassword)
	p.lets(when+", offline, by ssh key", p.byKey)
	must(p.t, p.Daemon.Stop(ctx))
	must(p.t, p.StartDaemon(ctx))
	p.lets(when+", offline after a restart", p.byPassword)
	must(p.t, p.StartServer(ctx))
	p.online()
	p.quiet(when + ", online again")
}
