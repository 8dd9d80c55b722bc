package test

import (
	"testing"

	"github.com/sallyport-auth/sallyport/trouble"
)

const toml = "/etc/sallyport/sallyportd.toml"

// Promise hints-mend, status-exit.
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
		{name: "a closed folder of sockets", breaks: "chmod 0700 /run/sallyport", cause: trouble.RunFolder},
		{
			name: "a machine key that is none", cause: trouble.RealmUnready, typed: func(*ward) string { return "mv /root/key /var/lib/sallyport/machine.key" },
			breaks: "cp -p /var/lib/sallyport/machine.key /root/key; echo x > /var/lib/sallyport/machine.key; systemctl restart sallyportd || true",
		},
		{
			name: "a state folder that another process holds", cause: trouble.UnitFailed, typed: func(*ward) string { return "pkill -f '[s]leep 600'; systemctl restart sallyportd" },
			breaks: `systemctl stop sallyportd.socket sallyportd; setsid -f flock /var/lib/sallyport sleep 600 >/dev/null 2>&1
				while flock -n /var/lib/sallyport true; do :; done; systemctl start sallyportd || true`,
		},
		{
			name: "a daemon that hangs", cause: trouble.DaemonHangs, // a busy machine stops one thread after the other
			breaks: `p=$(systemctl show sallyportd -p MainPID --value); kill -STOP $p
				for t in /proc/$p/task/*; do until grep -q '^State:.T' $t/status; do test -d $t || break; done; done`,
		},
		{
			name: "a configuration that the daemon has not read", cause: trouble.ConfigNewer,
			breaks: `at=$(systemctl show --timestamp=unix sallyportd -p ExecMainStartTimestamp --value); touch -d "@$((${at#@} + 2))" ` + toml +
				"; until test $(date +%s) -gt $(stat -c %Y " + toml + "); do :; done", // a file of the future stays newer
		},
	})
}

// Promise hints-mend.
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
		{name: "no nsswitch.conf", breaks: "rm " + nss, cause: trouble.NSSAbsent},
		{name: "a shared stack that is gone", breaks: "rm " + pam + "common-auth", cause: trouble.PAMUnread},
		{name: "an account stack that denies", breaks: "sed -i 's/^@include common-account/account required pam_deny.so/' " + pam + "sshd", cause: trouble.PAMLocalOut},
		{name: "a jump that lands wrong", breaks: "sed -i '/pam_sallyport/s/success=2/success=1/' " + pam + "common-auth", cause: trouble.PAMRefused},
		{name: "pam_unix required before ours", breaks: "sed -i '1i account required pam_unix.so' " + pam + "common-account", cause: trouble.PAMRefused},
		{name: "two lines that changed places", breaks: "sed -i '/pam_sallyport/{h;d};/pam_unix.so/{G}' " + pam + "common-auth", cause: trouble.PAMLocalOut},
		{name: "everybody let in", breaks: `sed -i '1i auth sufficient pam_permit.so' ` + pam + "sudo", cause: trouble.PAMOpen},
		{name: "a line that libpam cannot read", breaks: `sed -i '1i auth requird pam_env.so' ` + pam + "sudo", cause: trouble.PAMUnread},
		{name: "nobody may log in", breaks: "touch /etc/nologin", cause: trouble.NoLogin},
		{name: "PAM not switched on", breaks: "DEBIAN_FRONTEND=noninteractive pam-auth-update --package --remove sallyport sallyport-password", cause: trouble.PAMOff},
	})
}

// anew has sshd read its files. A reload returns before it has, and sshd ends where a file
// goes meanwhile; and systemd starts nothing five times in ten seconds, unless it is told to.
const anew = "systemctl reset-failed ssh; systemctl restart ssh"

// Promise hints-mend.
func TestDoctorMendsSSH(t *testing.T) {
	const conf, dropin = "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/"
	tryAll(t, []sick{
		{name: "a drop-in that wins over UsePAM", breaks: "echo 'UsePAM no' > " + dropin + "10-own.conf; " + anew, cause: trouble.SSHNoPAM},
		{name: "a change that sshd has not read", breaks: "echo 'MaxStartups 50' > " + dropin + "80-own.conf", cause: trouble.SSHStale},
		{name: "no command for keys", breaks: "rm " + dropin + "20-sallyport.conf; " + anew, cause: trouble.SSHNoKeys},
		{name: "a command for keys switched off", breaks: "printf '# ours\nAuthorizedKeysCommand none\n' > " + dropin + "10-own.conf; " + anew, cause: trouble.SSHNoKeys},
		{name: "a command for keys within a Match block", breaks: `printf 'Match User ada\nAuthorizedKeysCommand /bin/true\nAuthorizedKeysCommandUser nobody\n' > ` + dropin + "95-match.conf; " + anew, cause: trouble.SSHKeysInMatch, undo: "rm " + dropin + "95-match.conf; " + anew},
		{name: "a key program that others can write", breaks: "chmod 0777 /usr/bin/sallyport-keys", cause: trouble.SSHKeysMode},
		{name: "no user for the key program", breaks: "sed -i '/^sallyport-keys:/d' /etc/passwd /etc/shadow", cause: trouble.SSHKeysUserGone},
		{name: "a drop-in of before certificates", breaks: "sed -i 's/ %t %k$//' " + dropin + "20-sallyport.conf; " + anew, cause: trouble.SSHKeysBare},
		{name: "a command for keys without words", breaks: `printf 'AuthorizedKeysCommand /usr/bin/sallyport-keys\nAuthorizedKeysCommandUser sallyport-keys\n' > ` + dropin + "10-own.conf; " + anew, cause: trouble.SSHKeysBare},
		{name: "keys switched off", breaks: "echo 'PubkeyAuthentication no' > " + dropin + "10-own.conf; " + anew, cause: trouble.SSHNoPubkey},
		{name: "no Include line", breaks: "sed -i '/^Include/d' " + conf + "; " + anew, cause: trouble.SSHDropInIgnored},
		{name: "a line that sshd refuses", breaks: "echo 'PermitRoot maybe' > " + dropin + "10-own.conf", cause: trouble.SSHWrong},
		{name: "sshd stopped", breaks: "systemctl stop ssh", cause: trouble.SSHStopped},
		{name: "sshd started by its socket", breaks: "systemctl stop ssh; rm -rf /run/sshd; systemctl start ssh.socket; echo 'UsePAM no' > " + dropin + "10-own.conf", cause: trouble.SSHNoPAM, undo: "systemctl stop ssh.socket; " + anew},
	})
}

// Promise hints-mend, server-faults-named.
func TestDoctorMendsTheWayToTheServer(t *testing.T) {
	back := func(url string) string {
		return "sed -i 's#" + url + "#https://127.0.0.1:8443#' " + toml + "; systemctl restart sallyportd"
	}
	tryAll(t, []sick{
		{name: "a server that is stopped", breaks: "systemctl stop sallyport-server", cause: trouble.Refused, late: true},
		{
			name: "a name that does not exist", breaks: "echo 'nameserver 127.0.0.1' > /etc/resolv.conf; " + to("https://nowhere.example:8443"), cause: trouble.DNSDown, late: true,
			typed: func(*ward) string { return back("https://nowhere.example:8443") },
		},
		{
			name: "an address that nothing leads to", breaks: to("https://192.0.2.1:8443"), cause: trouble.NoRoute, late: true,
			typed: func(*ward) string { return back("https://192.0.2.1:8443") },
		},
		{
			name: "a port that does not speak TLS", breaks: to("https://127.0.0.1:22"), cause: trouble.NotTLS, late: true,
			typed: func(*ward) string { return back("https://127.0.0.1:22") },
		},
		{name: "in quarantine", breaks: "sallyport-server machine quarantine laptop --dir " + serverFolder, cause: trouble.MachineShutOut, late: true},
		{
			name: "removed from the realm", breaks: "sallyport-server machine remove laptop --dir " + serverFolder, cause: trouble.MachineRemoved, late: true,
			typed: func(w *ward) string { return "sudo sallyport join --yes " + w.words("machine add laptop") },
		},
		{
			name: "the server's disk is full", cause: trouble.ServerFull, late: true,
			breaks: `systemctl stop sallyport-server
				mkdir /srv/full; mount -t tmpfs -o size=4m,mode=0700 tmpfs /srv/full
				cp -a ` + serverFolder + `/. /srv/full/; chown sallyport-server: /srv/full; mount --bind /srv/full ` + serverFolder + `
				systemctl start sallyport-server
				dd if=/dev/zero of=/srv/full/filler bs=1k 2>/dev/null || true`,
			typed: func(*ward) string { return "rm /srv/full/filler" },
			undo:  "systemctl stop sallyport-server; umount " + serverFolder + "; umount /srv/full; systemctl start sallyport-server",
		},
		{
			name: "this machine's disk is full", cause: trouble.DiskFull, undo: "systemctl stop sallyportd.service sallyportd.socket; umount /var/lib/sallyport; systemctl start sallyportd.socket sallyportd.service",
			breaks: `systemctl stop sallyportd.service sallyportd.socket
				mkdir /srv/small; mount -t tmpfs -o size=4m,mode=0700 tmpfs /srv/small
				cp -a /var/lib/sallyport/. /srv/small/; chown sallyport: /srv/small; mount --bind /srv/small /var/lib/sallyport
				systemctl start sallyportd.socket sallyportd.service
				dd if=/dev/zero of=/srv/small/filler bs=1k 2>/dev/null || true`,
			typed: func(*ward) string { return "rm /srv/small/filler; systemctl restart sallyportd" },
		},
		{
			// The last one: the machine goes on with the other address.
			name: "another name than the certificate's", breaks: "echo '127.0.0.1 other.example' >> /etc/hosts; " + to("https://other.example:8443"), cause: trouble.CertName,
			late: true, stays: true,
		},
	})
}

// to has the machine look for its server at another address.
func to(address string) string {
	return "sed -i 's#https://127.0.0.1:8443#" + address + "#' " + toml + "; systemctl restart sallyportd"
}

// Promise hints-mend, explain-server.
func TestExplainMendsWhatIsWrongWithOnePerson(t *testing.T) {
	const ask = "sallyport explain ada"
	tryAll(t, []sick{
		{name: "no such shell", breaks: `sallyport-server account add zoe --shell /opt/bin/zsh2 --dir ` + serverFolder + `; until sallyport explain zoe --json | grep -q '"account"'; do :; done`, cause: trouble.ShellMissing, ask: "sallyport explain zoe"},
		{name: "a shell that lets nobody work", breaks: `sallyport-server account add yan --shell /usr/sbin/nologin --dir ` + serverFolder + `; until sallyport explain yan --json | grep -q '"account"'; do :; done`, cause: trouble.ShellRefuses, ask: "sallyport explain yan"},
		{name: "home of somebody else", breaks: "mkdir -p /home/ada; chown root: /home/ada; chmod 0700 /home/ada", cause: trouble.HomeOwner, ask: ask},
		{name: "a folder above home that is closed", breaks: "chmod 0700 /home", cause: trouble.HomeClosed, ask: ask},
		{name: "no home, and nobody makes one", breaks: "rm -rf /home/ada; DEBIAN_FRONTEND=noninteractive pam-auth-update --package --remove mkhomedir; sed -i '/mkhomedir/d' /etc/pam.d/common-session*", cause: trouble.HomeMissing, ask: ask},
		{
			name: "pam_access", cause: trouble.AccessDenied, ask: ask + " --service login", undo: "sed -i '/pam_access/d' /etc/pam.d/login",
			breaks: "echo '-:ALL EXCEPT root local:ALL' >> /etc/security/access.conf; sed -i '1i account required pam_access.so' /etc/pam.d/login",
		},
		{name: "AllowUsers", breaks: "echo 'AllowUsers root local' > /etc/ssh/sshd_config.d/10-own.conf; " + anew, cause: trouble.SSHUserUnlisted, ask: ask},
		{name: "sudo gives nothing", breaks: "true", cause: trouble.SudoNothing, ask: ask + " --service sudo"},
		{name: "disabled", breaks: "sallyport-server account disable ada --dir " + serverFolder, cause: trouble.Disabled, ask: ask, late: true},
		{
			name: "locked at the server", cause: trouble.LockedAtServer, ask: ask,
			breaks: "for i in 1 2 3 4 5; do echo wrong | sallyport auth-test ada --service login || true; done",
		},
		{name: "one service's own stack", breaks: "sed -i 's/^@include common-auth/auth required pam_unix.so/' /etc/pam.d/login", cause: trouble.PAMNotCalled, ask: ask + " --service login"},
	})
}
