package test

import (
	"testing"

	"github.com/sallyport-auth/sallyport/trouble"
)

const toml = "/etc/sallyport/sallyportd.toml"

func TestDoctorMendsTheDaemonAndItsFiles(t *testing.T) {
	tryAll(t, []sick{
		{name: "configuration that root alone reads", breaks: "chmod 0600 " + toml + "; systemctl restart sallyportd || true", cause: trouble.ConfigUnreadable},
		{name: "a mistyped key", breaks: `printf '[offlin]\ntries = 5\n' >> ` + toml + "; systemctl restart sallyportd || true", cause: trouble.ConfigMistyped},
		{name: "a closed folder", breaks: "chmod 0700 /etc/sallyport; systemctl restart sallyportd || true", cause: trouble.FolderClosed},
		{name: "a closed file of the realm's key", breaks: "chmod 0600 /etc/sallyport/server-ca.pem; systemctl restart sallyportd || true", cause: trouble.FileUnreadable},
		{name: "a machine key for everybody", breaks: "chmod 0644 /var/lib/sallyport/machine.key", cause: trouble.FileOpen},
		{name: "a machine key of root's", breaks: "chown root:root /var/lib/sallyport/machine.key; systemctl restart sallyportd || true", cause: trouble.FileOwner},
		{name: "a state folder of root's", breaks: "systemctl stop sallyportd.socket sallyportd; chown root:root /var/lib/sallyport/cache.db", cause: trouble.FileOwner},
		{name: "a program that cannot be run", breaks: "systemctl stop sallyportd; chmod 0644 /usr/sbin/sallyportd; systemctl start sallyportd || true", cause: trouble.UnitExec},
		{name: "no user", breaks: "systemctl stop sallyportd.socket sallyportd; sed -i '/^sallyport:/d' /etc/passwd /etc/shadow; systemctl start sallyportd || true", cause: trouble.UserMissing},
		{name: "masked", breaks: "systemctl stop sallyportd.socket sallyportd; systemctl mask sallyportd.service", cause: trouble.UnitMasked},
		{name: "not enabled", breaks: "systemctl disable sallyportd.service sallyportd.socket", cause: trouble.UnitDisabled},
		{name: "stopped", breaks: "systemctl stop sallyportd.socket sallyportd.service", cause: trouble.UnitStopped},
		{
			name: "given up by systemd", cause: trouble.UnitLimit, undo: "rm -rf /run/systemd/system/sallyportd.service.d; systemctl daemon-reload",
			breaks: `mkdir -p /run/systemd/system/sallyportd.service.d
				printf '[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n' > /run/systemd/system/sallyportd.service.d/limit.conf
				systemctl daemon-reload
				for i in 1 2 3 4; do systemctl restart sallyportd || true; done`,
		},
		{
			name: "a drop-in that breaks the unit", cause: trouble.UnitDropIn,
			breaks: `mkdir -p /etc/systemd/system/sallyportd.service.d
				printf '[Service]\nExecStart=\nExecStart=/bin/false\n' > /etc/systemd/system/sallyportd.service.d/own.conf
				systemctl daemon-reload; systemctl restart sallyportd || true`,
		},
		{name: "a unit file that systemd has not read", breaks: "touch -d '1 minute' /lib/systemd/system/sallyportd.service", cause: trouble.UnitReload},
		{name: "sockets that were deleted", breaks: "rm -f /run/sallyport/*.sock", cause: trouble.SocketsGone},
		{name: "a socket for root alone", breaks: "chmod 0600 /run/sallyport/pam.sock", cause: trouble.SocketMode},
		{name: "a daemon that hangs", breaks: "kill -STOP $(systemctl show sallyportd -p MainPID --value)", cause: trouble.DaemonHangs},
		{
			name: "a configuration that the daemon has not read", cause: trouble.ConfigNewer,
			breaks: `at=$(systemctl show --timestamp=unix sallyportd -p ExecMainStartTimestamp --value); touch -d "@$((${at#@} + 2))" ` + toml,
		},
	})
}

func TestDoctorMendsNamesAndPAM(t *testing.T) {
	const nss, pam = "/etc/nsswitch.conf", "/etc/pam.d/"
	own := `for f in auth account session; do sed -i "s/^@include common-$f/$f required pam_unix.so/" ` + pam + `su; done`
	tryAll(t, []sick{
		{name: "nsswitch without us", breaks: "sed -i '/^passwd:/ s/ sallyport//' " + nss, cause: trouble.NSSAbsent},
		{name: "nsswitch without us for groups", breaks: "sed -i '/^group:/ s/ sallyport//' " + nss, cause: trouble.NSSAbsent},
		{name: "nsswitch without the line", breaks: "sed -i '/^passwd:/d' " + nss, cause: trouble.NSSAbsent},
		{name: "nsswitch in the wrong order", breaks: "sed -i -E '/^(passwd|group):/ s/:.*/: sallyport files systemd/' " + nss, cause: trouble.NSSOrder},
		{name: "nsswitch that ends before us", breaks: "sed -i '/^passwd:/ s/files/files [NOTFOUND=return]/' " + nss, cause: trouble.NSSCut},
		{name: "nsswitch that root alone reads", breaks: "chmod 0600 " + nss, cause: trouble.NSSConfUnreadable},
		{name: "a closed NSS module", breaks: "chmod 0600 $(find /lib/ /usr/lib/ -name libnss_sallyport.so.2 | head -1)", cause: trouble.NSSModuleMode},
		{name: "a closed PAM module", breaks: "chmod 0600 $(find /lib/ /usr/lib/ -name pam_sallyport.so | head -1)", cause: trouble.PAMModuleMode},
		{name: "a closed folder of names", breaks: "chmod 0700 /var/cache/sallyport", cause: trouble.SnapshotFolder},
		{name: "a closed file of names", breaks: "chmod 0600 /var/cache/sallyport/directory", cause: trouble.SnapshotMode},
		{name: "a damaged file of names", breaks: "head -c 5000 /dev/urandom > /var/cache/sallyport/directory", cause: trouble.SnapshotDamaged},
		{name: "no folder of names", breaks: "rm -rf /var/cache/sallyport", cause: trouble.SnapshotUnwritten},
		{name: "our line taken out of the shared stack", breaks: "sed -i '/pam_sallyport/d' " + pam + "common-auth", cause: trouble.PAMNotCalled},
		{name: "our line taken out of the shared account stack", breaks: "sed -i '/pam_sallyport/d' " + pam + "common-account", cause: trouble.PAMNotCalled},
		{
			name: "the shared stack in the wrong order", cause: trouble.PAMNotReached,
			breaks: `line=$(grep pam_sallyport ` + pam + `common-auth); sed -i '/pam_sallyport/d' ` + pam + `common-auth; echo "$line" >> ` + pam + "common-auth",
		},
		{name: "su with stacks of its own", breaks: own, cause: trouble.PAMNotCalled},
		{name: "a deny before ours", breaks: `sed -i '1i auth required pam_deny.so' ` + pam + "sudo", cause: trouble.PAMLocalOut},
		{name: "pam_unix requisite before ours", breaks: `sed -i '1i account requisite pam_localuser.so' ` + pam + "login", cause: trouble.PAMNotReached},
		{name: "everybody let in", breaks: `sed -i '1i auth sufficient pam_permit.so' ` + pam + "sudo", cause: trouble.PAMOpen},
		{name: "a line that libpam cannot read", breaks: `sed -i '1i auth requird pam_env.so' ` + pam + "sudo", cause: trouble.PAMUnread},
		{name: "nobody may log in", breaks: "touch /etc/nologin", cause: trouble.NoLogin},
		{name: "PAM not switched on", breaks: "DEBIAN_FRONTEND=noninteractive pam-auth-update --package --remove sallyport sallyport-password", cause: trouble.PAMOff},
	})
}
