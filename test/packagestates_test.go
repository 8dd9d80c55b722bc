package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// lifeState is how a machine is while packages come and go.
type lifeState struct {
	set        string // brings a joined machine into the state
	configured bool   // joined, with its host files configured, and so again afterwards
	adaGetsIn  bool
}

// lifeStates are the states in which a package may come and go: whatever happens to the package, local accounts
// log in and useradd works in each of them.
func lifeStates() map[string]lifeState {
	return map[string]lifeState{
		"never joined": {},
		"joined":       {configured: true, adaGetsIn: true},
		"offline":      {configured: true, adaGetsIn: true, set: "systemctl disable -q --now sallyport-server"},
		"daemon broken": {configured: true, set: `
			install -d /etc/systemd/system/sallyportd.service.d
			printf '[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n' > /etc/systemd/system/sallyportd.service.d/broken.conf
			systemctl daemon-reload
			systemctl stop sallyportd.service sallyportd.socket
			systemctl start sallyportd.socket
			systemctl start --no-block sallyportd.service`},
		"config broken": {configured: true, set: `
			echo 'nonsense = 1' >> /etc/sallyport/sallyportd.toml
			systemctl stop sallyportd.service
			systemctl start sallyportd.socket`},
	}
}

// inState installs the earlier version and brings the machine into the state.
func inState(t *testing.T, dist string, s lifeState) *machine.Booted {
	t.Helper()
	b := packaged(t, dist)
	install(t, b, earlierVersion)
	if s.configured {
		makeRealm(t, b)
		joinRealm(t, b)
		in(t, b, s.set+"\ntrue")
	}
	return b
}

// isWell is what must hold in the state after whatever happened to the package.
func (s lifeState) isWell(t *testing.T, b *machine.Booted) {
	t.Helper()
	if s.configured {
		allNamesIt(t, b)
	} else {
		nothingNamesIt(t, b)
	}
	if s.adaGetsIn {
		adaGetsIn(t, b)
	}
	localsAreWell(t, b)
}

// killAt are instants at which dpkg is killed while it upgrades. A number is that of the
// rename(2): with renames dpkg puts files in place and keeps its own books. The instants
// in the packages' scripts are those when they run these programs.
var killAt = []string{"5", "40", "80", "systemd-sysusers", "systemd-tmpfiles", "pam-auth-update"}

// killed upgrades to the version and kills dpkg at that instant. It reports whether dpkg got there.
func killed(t *testing.T, b *machine.Booted, at, version string) bool {
	t.Helper()
	files := "/root/" + version + "/*.deb"
	if strings.Trim(at, "0123456789") == "" {
		_, err := b.In(t.Context(), fmt.Sprintf("strace -qq -o /dev/null -e trace=rename,renameat,renameat2 -e inject=rename,renameat,renameat2:signal=KILL:when=%s dpkg -i %s", at, files))
		return err != nil
	}
	// The program is shadowed by one that kills dpkg, below which it runs, and its script.
	shadow := "/usr/local/sbin/" + at
	must(t, b.WriteFile(shadow, `#!/bin/sh
p=$PPID
until [ "$(cat /proc/$p/comm)" = dpkg ]; do
	last=$p p=$(ps -o ppid= -p $p | tr -d ' ')
done
kill -KILL $p $last
`, 0o755))
	_, err := b.In(t.Context(), "dpkg -i "+files+" >/dev/null 2>&1")
	in(t, b, "rm "+shadow)
	return err != nil
}

// Promise 11, package-upgrade, package-any-state, package-downgrade.
func TestThePackageLivesThroughEachState(t *testing.T) {
	dist := packages(t)
	for name, s := range lifeStates() {
		t.Run(name, func(t *testing.T) {
			b := inState(t, dist, s)
			t.Run("upgraded", func(t *testing.T) {
				install(t, b, packageVersion)
				s.isWell(t, b)
			})
			t.Run("a downgrade is refused", func(t *testing.T) {
				out, err := b.In(t.Context(), "dpkg -i /root/"+earlierVersion+"/sallyport_*.deb 2>&1")
				if err == nil {
					t.Errorf("not refused:\n%s", out)
				}
				said(t, out, "is older than "+packageVersion, "Going back", "SALLYPORT_ALLOW_DOWNGRADE=1")
				in(t, b, "dpkg --audit | grep . && exit 1; dpkg-query -W -f '${Version}' sallyport | grep -Fx '"+packageVersion+"'")
				s.isWell(t, b)
			})
			t.Run("removed", func(t *testing.T) {
				in(t, b, "dpkg -r sallyport 2>&1")
				lifeState{}.isWell(t, b)
			})
			t.Run("installed again", func(t *testing.T) {
				out := install(t, b, packageVersion)
				s.isWell(t, b)
				if !s.configured {
					said(t, out, "has not joined a realm")
				}
			})
			t.Run("purged", func(t *testing.T) {
				in(t, b, "dpkg -P sallyport 2>&1")
				lifeState{}.isWell(t, b)
			})
		})
	}
}

// Promise package-any-state.
func TestThePackageOutlivesAKilledUpgrade(t *testing.T) {
	dist := packages(t)
	b := inState(t, dist, lifeStates()["joined"])
	s := lifeStates()["joined"]
	for _, at := range killAt {
		t.Run("at "+at, func(t *testing.T) {
			in(t, b, "SALLYPORT_ALLOW_DOWNGRADE=1 dpkg -i /root/"+earlierVersion+"/*.deb")
			if !killed(t, b, at, packageVersion) {
				t.Fatalf("dpkg never came to %s", at)
			}
			localsAreWell(t, b)
			mended(t, b)
			s.isWell(t, b)
		})
	}
}

// mended does what dpkg itself says after it was killed.
func mended(t *testing.T, b *machine.Booted) {
	t.Helper()
	if _, err := b.In(t.Context(), "dpkg --configure -a && ! dpkg --audit | grep ."); err != nil {
		install(t, b, packageVersion)
	}
	in(t, b, "! dpkg --audit | grep .")
}
