package test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// debPackage makes the package as "make deb" does, and returns its path.
func debPackage(t *testing.T) string {
	t.Helper()
	root, err := machine.RepoRoot()
	must(t, err)
	tree, dist := filepath.Join(t.TempDir(), "tree"), t.TempDir()
	for _, c := range [][]string{
		{"make", "--no-print-directory", "install", "DESTDIR=" + tree, "PREFIX=/usr"},
		{"packaging/deb/build", tree, "v1.2.3-4-gabcdef0", dist},
	} {
		cmd := exec.CommandContext(t.Context(), c[0], c[1:]...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(c, " "), err, out)
		}
	}
	found, err := filepath.Glob(filepath.Join(dist, "sallyport_1.2.3+4+gabcdef0_*.deb"))
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("the package has another name: %v", found)
	}
	return found[0]
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

func TestThePackageComesAndGoesWithoutATrace(t *testing.T) {
	m, err := machine.New()
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, m.CopyIn(debPackage(t), "/root/sallyport.deb", 0o644))
	_, err = m.Script(t.Context(), `
		useradd -m -s /bin/bash `+local+`
		printf '%s:%s\n' `+local+` '`+localPass+`' root '`+rootPass+`' | chpasswd`)
	must(t, err)
	b, err := m.Boot(t.Context())
	must(t, err)

	t.Run("installed, local accounts log in as before", func(t *testing.T) {
		in(t, b, "mkdir -p /run/sshd; rm -f /usr/sbin/policy-rc.d; systemctl start nscd; getent passwd sallyport || dpkg -i /root/sallyport.deb; systemctl stop nscd")
		out := in(t, b, "grep '^passwd:' /etc/nsswitch.conf; grep -l pam_sallyport /etc/pam.d/*; sshd -T | grep -i '^authorizedkeyscommand '")
		for _, want := range []string{"files sallyport", "/etc/pam.d/common-auth", "/usr/bin/sallyport-keys "} {
			if !strings.Contains(out, want) {
				t.Errorf("not %q:\n%s", want, out)
			}
		}
		in(t, b, "! systemctl is-active -q sallyportd.socket sallyportd.service sallyport-server.service")
		gotIn(t, b, local, localPass)
	})
	t.Run("joined, people of the realm log in too", func(t *testing.T) {
		in(t, b, `
			install -d -o sallyport-server -g sallyport-server -m 0700 /var/lib/sallyport-server
			runuser -u sallyport-server -- sallyport-server init --dir /var/lib/sallyport-server --realm example --listen 127.0.0.1:8443
			systemctl start sallyport-server
			sallyport-server account add ada --dir /var/lib/sallyport-server
			echo '`+adaPass+`' | sallyport-server account set-password ada --dir /var/lib/sallyport-server`)
		out := in(t, b, "sallyport-server machine add laptop --dir /var/lib/sallyport-server")
		join := regexp.MustCompile(`sallyport join --server URL (.*)`).FindStringSubmatch(out)
		if join == nil {
			t.Fatalf("machine add printed %s", out)
		}
		in(t, b, "sallyport join --server https://127.0.0.1:8443 "+join[1]+" --yes; systemctl enable --now sallyportd.socket sallyportd")
		must(t, b.Eventually(t.Context(), func() error {
			_, err := bySU(t, b, ada, adaPass)
			return err
		}))
		gotIn(t, b, ada, adaPass)
		gotIn(t, b, local, localPass)
	})
	t.Run("installed again, as by an upgrade, all is as it was", func(t *testing.T) {
		in(t, b, "echo 'subid: sallyport' >> /etc/nsswitch.conf; dpkg -i /root/sallyport.deb")
		in(t, b, "! grep subid /etc/nsswitch.conf; systemctl is-enabled sallyport-subids.path; systemctl is-active sallyport-subids.path; useradd -m later; grep ^later: /etc/subuid")
		must(t, b.Eventually(t.Context(), func() error {
			_, err := bySU(t, b, ada, adaPass)
			return err
		}))
		gotIn(t, b, local, localPass)
	})
	t.Run("a host that was taken out by hand is left alone by an upgrade", func(t *testing.T) {
		in(t, b, "/usr/share/sallyport/configure-host disable; dpkg -i /root/sallyport.deb")
		nothingNamesIt(t, b)
		in(t, b, "/usr/share/sallyport/configure-host enable")
		gotIn(t, b, ada, adaPass)
	})
	t.Run("removed, nothing names it any more, and local accounts log in", func(t *testing.T) {
		in(t, b, "dpkg -r sallyport")
		nothingNamesIt(t, b)
		gotIn(t, b, local, localPass)
		gotIn(t, b, "root", rootPass)
		if out, err := bySU(t, b, ada, adaPass); err == nil {
			t.Errorf("ada is in:\n%s", out)
		}
		in(t, b, "test -e /var/lib/sallyport/machine.key") // until it is purged
	})
	t.Run("purged, what it remembered is gone, but not the realm", func(t *testing.T) {
		in(t, b, "dpkg -P sallyport; test ! -e /var/lib/sallyport; test ! -e /etc/sallyport; test -e /var/lib/sallyport-server/sallyport.db")
		nothingNamesIt(t, b)
		gotIn(t, b, local, localPass)
	})
}

func nothingNamesIt(t *testing.T, b *machine.Booted) {
	t.Helper()
	out := in(t, b, "grep -r sallyport /etc/pam.d /etc/nsswitch.conf /etc/ssh/sshd_config /etc/ssh/sshd_config.d /etc/systemd || true")
	if out != "" {
		t.Errorf("left behind:\n%s", out)
	}
}
