//go:build releases

package releases

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Promise release-token-form (`make test-releases`).
func TestAMachineOfTheLastReleaseWorksWithThisServer(t *testing.T) {
	p := lastRelease(t)
	p.serverOf(p.today)
	p.works("old machine, new server")
	p.machineOf(p.today)
	p.works("both new, the server first")
}

func TestThisMachineWorksWithAServerOfTheLastRelease(t *testing.T) {
	p := lastRelease(t)
	p.machineOf(p.today)
	p.works("new machine, old server")
	p.serverOf(p.today)
	p.works("both new, the machine first")
}

// A workstation that is upgraded on a journey goes on by what it remembers.
func TestAMachineUpgradedOfflineStaysUsable(t *testing.T) {
	p, ctx := lastRelease(t), t.Context()
	must(t, p.Server.Stop(ctx))
	must(t, p.WaitOffline(ctx))
	must(t, p.Daemon.Stop(ctx))
	must(t, p.Replace(p.today, workstation...))
	must(t, p.StartDaemon(ctx))
	p.script("getent passwd " + ada)
	p.lets("upgraded offline, by ssh key", p.byKey)
	p.lets("upgraded offline, by password", p.byPassword)
	p.quiet("upgraded offline")
	must(t, p.Replace(p.today, "sallyport-server"))
	must(t, p.StartServer(ctx))
	p.online()
	p.works("both new, upgraded apart")
}

func TestAMachineGoesBackToTheLastRelease(t *testing.T) {
	p := lastRelease(t)
	p.machineOf(p.today)
	p.works("new machine, old server")
	must(t, p.Server.Stop(t.Context()))
	must(t, p.WaitOffline(t.Context()))
	must(t, p.Daemon.Stop(t.Context()))
	must(t, p.Replace(p.old, workstation...))
	must(t, p.StartDaemon(t.Context()))
	// It has set the newer cache aside, and remembers nobody until it hears of the server.
	p.script("ls /var/lib/sallyport/cache.db.damaged-*")
	p.keepsOut("old machine again, offline, by ssh key", p.byKey)
	p.keepsOut("old machine again, offline, by password", p.byPassword)
	must(t, p.StartServer(t.Context()))
	p.online()
	p.works("old machine again, old server")
	p.serverOf(p.today)
	p.machineOf(p.today)
	p.works("both new")
	p.machineOf(p.old)
	p.works("old machine again, new server")
}

// The last release's server refuses the folder, whose keys are in the database now; the copy of
// before serves.
func TestAServerDoesNotGoBackOnANewerDatabase(t *testing.T) {
	p, ctx := lastRelease(t), t.Context()
	must(t, p.Server.Stop(ctx))
	p.script("cp -a " + machine.ServerDir + " /srv/before")
	must(t, p.StartServer(ctx))
	p.serverOf(p.today)
	p.works("old machine, new server")
	must(t, p.Server.Stop(ctx))
	must(t, p.WaitOffline(ctx))
	must(t, p.Replace(p.old, "sallyport-server"))
	for _, words := range [][]string{{"serve"}, {"account", "list"}} {
		out, err := p.Run(ctx, "/usr/sbin/sallyport-server", append(words, "--dir", machine.ServerDir)...)
		if err == nil || !strings.Contains(out, "ca.key: no such file") {
			t.Errorf("%s: %v\n%s", words[0], err, out)
		}
	}
	p.script("rm -r " + machine.ServerDir + " && mv /srv/before " + machine.ServerDir)
	must(t, p.StartServer(ctx))
	p.online()
	p.script("sallyport cache clear")
	p.works("old machine, old server on its copy of before")
}

// A machine that knows the realm key believes no server without one: else a thief would
// only have to claim to be older. It says so, people go on offline, and it follows the
// server that comes back with its realm key.
func TestANewMachineStopsAtAServerThatWentBack(t *testing.T) {
	p, ctx := lastRelease(t), t.Context()
	must(t, p.Server.Stop(ctx))
	p.script("cp -a " + machine.ServerDir + " /srv/before")
	must(t, p.StartServer(ctx))
	p.machineOf(p.today)
	p.serverOf(p.today)
	p.works("both new")
	must(t, p.Server.Stop(ctx))
	must(t, p.WaitOffline(ctx))
	p.script("mv " + machine.ServerDir + " /srv/after && mv /srv/before " + machine.ServerDir)
	must(t, p.Replace(p.old, "sallyport-server"))
	must(t, p.StartServer(ctx))
	p.soon("the reason", "sallyport status | grep -q 'sends no key list' && sallyport status | grep -q 'replaced by an older one'")
	p.lets("the server went back, by password", p.byPassword)
	p.lets("the server went back, by ssh key", p.byKey)
	must(t, p.Server.Stop(ctx))
	must(t, p.Replace(p.today, "sallyport-server"))
	p.script("cp -a /srv/after/realm.key " + machine.ServerDir)
	must(t, p.StartServer(ctx))
	p.online()
	p.soon("the alarm ends", "! sallyport status | grep -q ALARM")
	must(t, p.Daemon.Stop(ctx))
	must(t, p.StartDaemon(ctx))
	p.online()
	p.works("both new again, on the copy of before with its realm key")
}

// join lets the machine join anew by a code of the server, as its installed programs do it.
func (p *pair) join() (string, error) {
	p.t.Helper()
	var added struct{ Code, Fingerprint string }
	must(p.t, json.Unmarshal([]byte(p.admin("machine", "add", "another", "--json")), &added))
	p.script("mv /etc/sallyport/sallyportd.toml /etc/sallyport/server-ca.pem /srv/; mkdir /srv/state; mv /var/lib/sallyport/* /srv/state/")
	defer p.script("mv /srv/sallyportd.toml /srv/server-ca.pem /etc/sallyport/; rm -rf /var/lib/sallyport/*; mv /srv/state/* /var/lib/sallyport/; rmdir /srv/state")
	defer p.admin("machine", "remove", "another")
	return p.Run(p.t.Context(), "/usr/bin/sallyport", p.JoinWords(p.t.Context(), added.Code, added.Fingerprint)...)
}

// To join, both are of one release. Whichever is behind is named, and the code stays unsaid.
func TestToJoinBothAreOfOneRelease(t *testing.T) {
	p, ctx := lastRelease(t), t.Context()
	must(t, p.Daemon.Stop(ctx))
	must(t, p.Replace(p.today, workstation...))
	if out, err := p.join(); err == nil || !strings.Contains(out, "Upgrade sallyport-server") || !strings.Contains(out, "nothing was sent") {
		t.Errorf("new machine, old server: %v\n%s", err, out)
	}
	must(t, p.Replace(p.old, workstation...))
	must(t, p.StartDaemon(ctx))
	p.online()
	p.serverOf(p.today)
	must(t, p.Daemon.Stop(ctx))
	// The last release cannot know better than that the certificate is another.
	if out, err := p.join(); err == nil || !strings.Contains(out, "nothing was sent") {
		t.Errorf("old machine, new server: %v\n%s", err, out)
	}
	must(t, p.Replace(p.today, workstation...))
	must(t, p.StartDaemon(ctx))
	p.online()
	p.works("both new, after joins that were refused")
}
