package test

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// Promise 11, package-install, package-upgrade, package-sshd, package-changed-files.
// Promise package-purge.
func TestThePackageComesAndGoesWithoutATrace(t *testing.T) {
	b := packaged(t, packages(t))
	before := in(t, b, "find "+hostFiles+" -type f | sort | xargs sha256sum")

	t.Run("installed, nothing of the host has changed", func(t *testing.T) {
		out := in(t, b, "systemctl start nscd; getent passwd sallyport || true; dpkg -i /root/"+packageVersion+"/*.deb 2>&1; getent passwd sallyport; systemctl stop nscd")
		said(t, out, "has not joined a realm, and nothing of the host was changed", "sallyport join --server")
		if after := in(t, b, "find "+hostFiles+" -type f | sort | xargs sha256sum"); after != before {
			t.Errorf("before:\n%safter:\n%s", before, after)
		}
		in(t, b, "! systemctl is-active -q sallyportd.socket sallyportd.service sallyport-server.service")
		localsAreWell(t, b)
	})
	t.Run("other packages turn nothing on", func(t *testing.T) {
		in(t, b, "DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable mkhomedir")
		nothingNamesIt(t, b)
	})
	t.Run("joined, people of the realm log in too", func(t *testing.T) {
		makeRealm(t, b)
		joinRealm(t, b)
		allNamesIt(t, b)
		localsAreWell(t, b)
	})
	t.Run("a host that was taken out by hand is left alone by an upgrade", func(t *testing.T) {
		in(t, b, "/usr/share/sallyport/configure-host disable")
		out := install(t, b, packageVersion)
		said(t, out, "has joined a realm, but its host files are not configured", "sudo /usr/share/sallyport/configure-host enable")
		nothingNamesIt(t, b)
		in(t, b, "/usr/share/sallyport/configure-host enable")
		gotIn(t, b, ada, adaPass)
	})
	t.Run("a host of before there was a mark is configured again", func(t *testing.T) {
		in(t, b, "rm /var/lib/sallyport/host-configured; echo 'subid: sallyport' >> /etc/nsswitch.conf")
		const sshd, changed = "systemctl show ssh -p MainPID", "systemctl show ssh -p StateChangeTimestampMonotonic"
		pid, before := in(t, b, sshd), in(t, b, changed)
		install(t, b, packageVersion)
		if in(t, b, sshd) != pid || in(t, b, changed) == before {
			t.Error("sshd was not reloaded, or was started anew")
		}
		in(t, b, "! grep subid /etc/nsswitch.conf; systemctl is-enabled sallyport-subids.path; systemctl is-active sallyport-subids.path; useradd -m later; grep ^later: /etc/subuid")
		allNamesIt(t, b)
		adaGetsIn(t, b)
	})
	t.Run("files of the host that were changed by hand do not stop an upgrade", func(t *testing.T) {
		in(t, b, "cp -a /etc/pam.d /root/pam.d; sed -i 's/^auth.*pam_sallyport/# &/' /etc/pam.d/common-auth")
		said(t, install(t, b, packageVersion), "changed by hand", "the host's files could not be configured")
		in(t, b, "dpkg --audit | grep . && exit 1; cp -a /root/pam.d/. /etc/pam.d/")
		localsAreWell(t, b)
	})
	t.Run("a removal that cannot be whole is none", func(t *testing.T) {
		in(t, b, "sed -i '/^auth.*pam_sallyport/ i auth optional pam_warn.so' /etc/pam.d/common-auth")
		out, err := b.In(t.Context(), "dpkg -r sallyport 2>&1")
		if err == nil {
			t.Errorf("removed:\n%s", out)
		}
		said(t, out, "changed by hand")
		in(t, b, "dpkg-query -W -f '${db:Status-Status}' sallyport | grep -Fx installed; ! dpkg --audit | grep .")
		allNamesIt(t, b)
		adaGetsIn(t, b)
		localsAreWell(t, b)
		in(t, b, "cp -a /root/pam.d/. /etc/pam.d/")
	})
	t.Run("removed, nothing names it any more, and local accounts log in", func(t *testing.T) {
		in(t, b, "dpkg -r sallyport sallyport-server")
		nothingNamesIt(t, b)
		localsAreWell(t, b)
		if out, err := bySU(t, b, ada, adaPass); err == nil {
			t.Errorf("ada is in:\n%s", out)
		}
		in(t, b, "test -e /var/lib/sallyport/machine.key") // until it is purged
	})
	t.Run("installed again, it is as it was", func(t *testing.T) {
		install(t, b, packageVersion)
		allNamesIt(t, b)
		adaGetsIn(t, b)
		in(t, b, "for n in 1 2 3 4 5 6 7 8; do systemctl stop sallyport-subids.path sallyportd.socket sallyportd; systemctl start sallyport-subids.path sallyportd.socket sallyportd; done")
		adaGetsIn(t, b)
		in(t, b, "systemctl is-active sallyport-server sallyportd.socket sallyport-subids.path; test ! -e /var/lib/sallyport/host-configured.removed")
	})
	t.Run("purged, what it remembered is gone, but not the realm", func(t *testing.T) {
		out := in(t, b, "dpkg -P sallyport sallyport-server 2>&1")
		said(t, out, "/var/lib/sallyport-server holds a whole realm and is left")
		in(t, b, "test ! -e /var/lib/sallyport; test ! -e /etc/sallyport; test -e /var/lib/sallyport-server/sallyport.db; test -e /var/lib/sallyport-server-mark")
		nothingNamesIt(t, b)
		localsAreWell(t, b)
		noFilesOfOurUsers(t, b)
	})
	t.Run("installed after a purge, it has not joined", func(t *testing.T) {
		said(t, install(t, b, packageVersion), "has not joined a realm")
		nothingNamesIt(t, b)
		in(t, b, "! systemctl is-enabled -q sallyportd.socket; systemctl start sallyport-server")
	})
}

// noFilesOfOurUsers: the users stay, so that their numbers are nobody else's.
func noFilesOfOurUsers(t *testing.T, b *machine.Booted) {
	t.Helper()
	out := in(t, b, `
		getent passwd sallyport sallyport-keys sallyport-server >/dev/null
		find / -xdev \( -user sallyport -o -group sallyport -o -user sallyport-keys -o -group sallyport-keys \) 2>/dev/null
		find /etc/systemd /usr/lib/systemd -name '*sallyport*'`)
	if out = strings.TrimSpace(out); out != "" {
		t.Errorf("left behind:\n%s", out)
	}
}
