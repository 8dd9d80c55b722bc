package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// The versions that are made of today's tree: an upgrade goes from the first to the second.
const (
	earlierVersion = "0.1.0~git20260101000000.abcdef0"
	packageVersion = "0.1.0~git20270101000000.abcdef1"
)

// packages makes sallyport and sallyport-server as "make deb" does, and once more under
// an earlier version. The folder has a folder for each version.
func packages(t *testing.T) string {
	t.Helper()
	root, err := machine.RepoRoot()
	must(t, err)
	dist := t.TempDir()
	command(t, root, "packaging/build-packages", packageVersion, filepath.Join(dist, packageVersion), "deb")
	must(t, os.Mkdir(filepath.Join(dist, earlierVersion), 0o755))
	for _, name := range []string{"sallyport", "sallyport-server"} {
		found, err := filepath.Glob(filepath.Join(dist, packageVersion, name+"_*.deb"))
		must(t, err)
		if len(found) != 1 {
			t.Fatalf("packages of %s: %v", name, found)
		}
		tree := filepath.Join(t.TempDir(), name)
		command(t, root, "dpkg-deb", "-R", found[0], tree)
		command(t, root, "sed", "-i", "s/^Version: .*/Version: "+earlierVersion+"/", filepath.Join(tree, "DEBIAN/control"))
		command(t, root, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, filepath.Join(dist, earlierVersion))
	}
	return dist
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "COMPRESSION=gzip")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// packaged is a machine with systemd, sshd and local people, where nothing of ours is
// installed; the packages of each version are in /root/VERSION.
func packaged(t *testing.T, dist string) *machine.Booted {
	t.Helper()
	m, err := machine.New()
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	files, err := filepath.Glob(filepath.Join(dist, "*", "*.deb"))
	must(t, err)
	for _, f := range files {
		must(t, m.CopyIn(f, filepath.Join("/root", filepath.Base(filepath.Dir(f)), filepath.Base(f)), 0o644))
	}
	_, err = m.Script(t.Context(), `
		rm -f /usr/sbin/policy-rc.d /etc/nologin /run/nologin /var/lib/man-db/auto-update
		useradd -m -s /bin/bash `+local+`
		printf '%s:%s\n' `+local+` '`+localPass+`' root '`+rootPass+`' | chpasswd
		ssh-keygen -A
		ssh-keygen -q -t ed25519 -N '' -f /root/key
		install -D -o `+local+` -m 0600 /root/key.pub /home/`+local+`/.ssh/authorized_keys
		chown `+local+` /home/`+local+`/.ssh`)
	must(t, err)
	b, err := m.BootWith(t.Context(), machine.Extras{Units: []string{"ssh.service"}})
	must(t, err)
	in(t, b, "systemctl start ssh.service; rm -f /run/nologin")
	return b
}

// install installs both packages of a version, and returns what dpkg printed.
func install(t *testing.T, b *machine.Booted, version string) string {
	t.Helper()
	return in(t, b, "dpkg -i /root/"+version+"/*.deb 2>&1")
}

// bySU is a local or realm account's own password, asked by the host's su. Its
// output is the person's.
func bySU(t *testing.T, b *machine.Booted, name, password string) (string, error) {
	t.Helper()
	return b.In(t.Context(), "echo '"+password+"' | runuser -u nobody -- su "+name+" -c 'cd /; echo I am $(id -un) with $(id -Gn)' 2>&1")
}

func gotIn(t *testing.T, b *machine.Booted, name, password string) {
	t.Helper()
	if out, err := bySU(t, b, name, password); err != nil || !strings.Contains(out, machine.Proof(name)) {
		t.Errorf("%s is not in (%v):\n%s", name, err, out)
	}
}

// localsAreWell logs local accounts in by su, login's stack and ssh, and makes one.
func localsAreWell(t *testing.T, b *machine.Booted) {
	t.Helper()
	gotIn(t, b, local, localPass)
	gotIn(t, b, "root", rootPass)
	for what, lines := range map[string]string{
		"login":   "echo '" + localPass + "' | pamtester login " + local + " authenticate acct_mgmt",
		"ssh":     "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no " + local + "@127.0.0.1 true",
		"useradd": "useradd -m x && test -d /home/x && grep -q ^x: /etc/passwd && userdel -r x",
	} {
		if out, err := b.In(t.Context(), lines+" 2>&1"); err != nil {
			t.Errorf("%s of a local account failed: %v\n%s", what, err, out)
		}
	}
}

// makeRealm makes a realm on this machine, with ada in it.
func makeRealm(t *testing.T, b *machine.Booted) {
	t.Helper()
	in(t, b, `
		D="--dir /var/lib/sallyport-server"
		install -d -o sallyport-server -g sallyport-server -m 0700 /var/lib/sallyport-server
		runuser -u sallyport-server -- sallyport-server init $D --realm example --listen 127.0.0.1:8443
		systemctl enable -q --now sallyport-server
		sallyport-server account add ada $D
		echo '`+adaPass+`' | sallyport-server account set-password ada $D`)
}

// joinRealm joins this machine to it, and waits until ada has logged in.
func joinRealm(t *testing.T, b *machine.Booted) {
	t.Helper()
	out := in(t, b, "sallyport-server machine add laptop --dir /var/lib/sallyport-server")
	join := regexp.MustCompile(`sallyport join --server \S+ (.*)`).FindStringSubmatch(out)
	if join == nil {
		t.Fatalf("machine add printed %s", out)
	}
	in(t, b, "sallyport join --yes --server https://127.0.0.1:8443 "+join[1])
	adaGetsIn(t, b)
}

func adaGetsIn(t *testing.T, b *machine.Booted) {
	t.Helper()
	must(t, b.Eventually(t.Context(), func() error {
		out, err := bySU(t, b, ada, adaPass)
		if err == nil && !strings.Contains(out, machine.Proof(ada)) {
			return fmt.Errorf("su printed %s", out)
		}
		return err
	}))
}

// hostFiles are those that only "configure-host enable" may change.
const hostFiles = "/etc/nsswitch.conf /etc/pam.d /etc/ssh/sshd_config /etc/ssh/sshd_config.d /etc/sudoers.d"

func nothingNamesIt(t *testing.T, b *machine.Booted) {
	t.Helper()
	out := in(t, b, "grep -r sallyport "+hostFiles+" || true; ls /var/lib/sallyport/host-configured 2>/dev/null || true")
	if out != "" {
		t.Errorf("left behind:\n%s", out)
	}
}

// allNamesIt tells that the host is configured, all of it.
func allNamesIt(t *testing.T, b *machine.Booted) {
	t.Helper()
	out := in(t, b, "grep '^passwd:' /etc/nsswitch.conf; grep -l pam_sallyport /etc/pam.d/common-* || true; sshd -T | grep -i '^authorizedkeyscommand '; ls /var/lib/sallyport/ || true")
	for _, want := range []string{"files sallyport", "common-auth", "common-account", "common-session", "common-password", "/usr/bin/sallyport-keys ", "host-configured\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("not %q:\n%s", want, out)
		}
	}
}

func said(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("not said: %q\n%s", w, out)
		}
	}
}
