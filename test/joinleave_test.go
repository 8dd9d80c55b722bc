package test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// newcomer is a booted machine with the files of the project on it, and nothing of the
// host's own changed. A realm's server runs there too.
func newcomer(t *testing.T) *machine.Booted {
	t.Helper()
	b := unpacked(t)
	in(t, b, `mkdir -p /run/sshd; systemctl start ssh
		echo '`+adaPass+`' | sallyport-server setup --yes --realm example --listen 127.0.0.1:8443 --tls-name 127.0.0.1 --account ada
		sallyport-server account add-key ada --tag laptop < `+adaKey+`.pub`)
	return b
}

// invite is what to type on a new machine.
func invite(t *testing.T, b *machine.Booted, verb, name string) string {
	t.Helper()
	out := in(t, b, "sallyport-server machine "+verb+" "+name)
	line := regexp.MustCompile(`sallyport join --server https://127\.0\.0\.1:8443 --code \S+ --fingerprint \S+`).FindString(out)
	if line == "" {
		t.Fatalf("machine %s printed %s", verb, out)
	}
	return line
}

// everyFile is each file below /etc, with type, mode, owner, target and content.
const everyFile = `cd /etc; find . -mindepth 1 -printf '%p %y %m %U:%G %l\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum`

// inEtc is everyFile without what stays when a machine leaves, each for a reason.
func inEtc(t *testing.T, b *machine.Booted) []string {
	t.Helper()
	stays := regexp.MustCompile(`\./(` + strings.Join([]string{
		`sallyport/sallyportd\.toml\.old\d*`,    // an administrator's settings
		`sub[ug]id-?`,                           // files on disk may belong to those ids
		`systemd/system/[a-z-]*\.target\.wants`, // empty here: systemctl removes it with its last link
	}, "|") + `)( |$)`)
	return slices.DeleteFunc(strings.Split(in(t, b, everyFile), "\n"), stays.MatchString)
}

func sameEtc(t *testing.T, got, before []string) {
	t.Helper()
	for _, l := range got {
		if !slices.Contains(before, l) {
			t.Errorf("new: %s", l)
		}
	}
	for _, l := range before {
		if !slices.Contains(got, l) {
			t.Errorf("gone: %s", l)
		}
	}
}

// everybodyIsIn: by password with su, and by key with ssh, at home.
func everybodyIsIn(t *testing.T, b *machine.Booted) {
	t.Helper()
	gotIn(t, b, ada, adaPass)
	gotIn(t, b, local, localPass)
	out := in(t, b, "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -i "+adaKey+" ada@127.0.0.1 'echo I am $(id -un) in $PWD'")
	if !strings.Contains(out, "I am ada in /home/ada") {
		t.Errorf("by ssh:\n%s", out)
	}
}

// answered is what a person sees who answers the question whether to go on.
func answered(t *testing.T, b *machine.Booted, command, answer string, exit int) string {
	t.Helper()
	c, err := b.At(t.Context(), command)
	must(t, err)
	must(t, c.Talk(t.Context(), "Go on? [y/N] ", answer))
	out, code, err := c.Wait(t.Context())
	must(t, err)
	if code != exit {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	return out
}

func mentions(t *testing.T, out string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(out, want) {
			t.Errorf("not %q:\n%s", want, out)
		}
	}
}

// Promise join, leave, server-certificate.
func TestJoinSetsTheHostUpAndLeaveGivesItBackToTheByte(t *testing.T) {
	b := newcomer(t)
	before := inEtc(t, b)
	join := invite(t, b, "add", "laptop")

	t.Run("without a terminal it asks for --yes before the code is spent", func(t *testing.T) {
		out := in(t, b, "rc=0; "+join+" 2>&1 </dev/null || rc=$?; test $rc = 64")
		mentions(t, out, "Look at the changes with --dry-run, then say --yes")
		sameEtc(t, inEtc(t, b), before)
	})
	t.Run("a dry run shows each line", func(t *testing.T) {
		mentions(t, in(t, b, join+" --dry-run"),
			"+passwd:         files sallyport", "/etc/pam.d/common-session (new)", "pam_mkhomedir.so",
			"+AuthorizedKeysCommand /usr/bin/", "sallyportd.service", "Nothing was changed.")
		sameEtc(t, inEtc(t, b), before)
	})
	t.Run("what a server is wrong about is said, and the code is still good", func(t *testing.T) {
		in(t, b, "echo 127.0.0.1 other.example >> /etc/hosts")
		try := func(url string) string {
			return in(t, b, strings.Replace(join, "https://127.0.0.1:8443", url, 1)+" --yes --no-host 2>&1 || echo exit $?")
		}
		for url, want := range map[string]string{
			"https://other.example:8443":  "The server at https://other.example:8443 is the right one, and its certificate is for other names than this: it is for ",
			"https://127.0.0.1:9":         "connection refused. Look whether the address is right",
			"https://nowhere.invalid:844": "nowhere.invalid",
		} {
			out := try(url)
			mentions(t, out, want)
			for _, wrong := range []string{"somebody may be in between", "someone may be", "Is the daemon running?"} {
				if strings.Contains(out, wrong) {
					t.Errorf("it says %q:\n%s", wrong, out)
				}
			}
		}
		in(t, b, "sed -i /other.example/d /etc/hosts")
		sameEtc(t, inEtc(t, b), before)
	})
	t.Run("asked at a terminal, no is no", func(t *testing.T) {
		mentions(t, answered(t, b, join, "n", 1), "Go on? [y/N]", "Nothing was changed.")
		sameEtc(t, inEtc(t, b), before)
	})
	t.Run("one command, and people log in", func(t *testing.T) {
		mentions(t, in(t, b, join+" --yes"),
			"This machine is laptop in realm example", "/etc/nsswitch.conf", "Doctor finds nothing that keeps people of example out")
		everybodyIsIn(t, b)
		mentions(t, in(t, b, "sallyport-server machine add laptop 2>&1 || true"), `"sallyport-server machine rejoin laptop" gives a new code`)
		in(t, b, "systemctl is-enabled sallyportd.socket sallyportd.service sallyport-subids.path; systemctl is-active sallyport-subids.path; test -e /var/lib/sallyport/host-configured")
	})
	t.Run("the same command again is harmless", func(t *testing.T) {
		mentions(t, in(t, b, "cp /etc/sallyport/sallyportd.toml /root/; pidof sallyportd > /root/pid; "+join+" --yes; cmp /root/sallyportd.toml /etc/sallyport/sallyportd.toml; pidof sallyportd | cmp - /root/pid"),
			"The code is spent or expired, and this machine is in realm example")
		everybodyIsIn(t, b)
	})
	t.Run("what stopped half-way is completed without a code", func(t *testing.T) {
		in(t, b, "/usr/share/sallyport/configure-host disable; systemctl disable --now sallyportd.socket sallyportd sallyport-subids.path; test ! -e /var/lib/sallyport/host-configured")
		gotIn(t, b, local, localPass)
		in(t, b, "sallyport join --yes")
		everybodyIsIn(t, b)
	})
	t.Run("leave gives everything back", func(t *testing.T) {
		out := in(t, b, "rc=0; sallyport leave 2>&1 </dev/null || rc=$?; test $rc = 64; sallyport leave --dry-run")
		mentions(t, out, "-passwd:         files sallyport", "/var/lib/sallyport/machine.key")
		everybodyIsIn(t, b)
		mentions(t, in(t, b, "sallyport leave --yes"), "/etc/sallyport/sallyportd.toml.old", "sallyport-server machine remove NAME")
		sameEtc(t, inEtc(t, b), before)
		in(t, b, `test -z "$(ls -A /var/lib/sallyport)"; test -z "$(ls -A /var/cache/sallyport)"; test -d /home/ada
			! getent passwd ada; ! systemctl is-active -q sallyportd.service sallyportd.socket sallyport-subids.path
			! systemctl is-enabled -q sallyportd.socket`)
		gotIn(t, b, local, localPass)
	})
	t.Run("asked at a terminal, yes is yes", func(t *testing.T) {
		mentions(t, answered(t, b, invite(t, b, "rejoin", "laptop"), "y", 0), "Doctor finds nothing")
		everybodyIsIn(t, b)
		in(t, b, "sallyport leave --yes")
		sameEtc(t, inEtc(t, b), before)
	})
	t.Run("again, it says that there is nothing", func(t *testing.T) {
		mentions(t, in(t, b, "sallyport leave --yes"), "This machine is in no realm.")
		sameEtc(t, inEtc(t, b), before)
	})
	t.Run("and the machine joins again", func(t *testing.T) {
		in(t, b, invite(t, b, "rejoin", "laptop")+" --yes")
		everybodyIsIn(t, b)
	})
}

// Promise join, host-files-kept.
func TestJoinKeepsWhatAnAdministratorWrote(t *testing.T) {
	b := newcomer(t)
	in(t, b, "systemctl stop ssh; systemctl start ssh.socket") // sshd begins with each connection
	in(t, b, invite(t, b, "add", "laptop")+" --yes")
	everybodyIsIn(t, b)
	in(t, b, `printf '\n[service.sudo]\nstep_up = false\n' >> /etc/sallyport/sallyportd.toml; cp /etc/sallyport/sallyportd.toml /root/`)

	t.Run("the same machine keeps its file", func(t *testing.T) {
		in(t, b, invite(t, b, "rejoin", "laptop")+" --yes; cmp /root/sallyportd.toml /etc/sallyport/sallyportd.toml; test ! -e /etc/sallyport/sallyportd.toml.old")
		everybodyIsIn(t, b)
	})
	t.Run("another machine's is asked for, and a copy kept", func(t *testing.T) {
		join := invite(t, b, "add", "desk")
		mentions(t, answered(t, b, join, "n", 1),
			"This machine is in realm example of https://127.0.0.1:8443 already.")
		mentions(t, in(t, b, "cmp /root/sallyportd.toml /etc/sallyport/sallyportd.toml; "+join+" --yes; cmp /root/sallyportd.toml /etc/sallyport/sallyportd.toml.old; ! grep -q step_up /etc/sallyport/sallyportd.toml"),
			"kept as /etc/sallyport/sallyportd.toml.old", "still has an entry of this machine", "sallyport-server machine remove NAME")
		everybodyIsIn(t, b)
	})
	t.Run("--no-host leaves the host alone", func(t *testing.T) {
		const files = "cat /etc/nsswitch.conf /etc/pam.d/common-* | sha256sum"
		before := in(t, b, "/usr/share/sallyport/configure-host disable >/dev/null; "+files)
		in(t, b, invite(t, b, "rejoin", "desk")+" --yes --no-host")
		if in(t, b, files) != before {
			t.Error("the host is changed")
		}
	})
	t.Run("PAM files of an administrator stop it before the code is spent", func(t *testing.T) {
		in(t, b, "cp -a /etc/pam.d /root/; for f in /etc/pam.d/common-*; do sed -i '/^# here/d; /^# and here/d' $f; done")
		join := invite(t, b, "rejoin", "desk")
		mentions(t, in(t, b, "rc=0; "+join+" --yes 2>&1 || rc=$?; test $rc = 70"), "were changed by hand", "the code is still good", "--no-host")
		in(t, b, "! grep -q sallyport /etc/nsswitch.conf; rm -r /etc/pam.d; cp -a /root/pam.d /etc/; "+join+" --yes")
		everybodyIsIn(t, b)
	})
	t.Run("stopped half-way, local accounts log in, and join goes on", func(t *testing.T) {
		in(t, b, "sallyport leave --yes; mv /usr/sbin/pam-auth-update /root/")
		join := invite(t, b, "rejoin", "desk")
		mentions(t, in(t, b, "rc=0; "+join+" --yes 2>&1 || rc=$?; test $rc = 70; mv /root/pam-auth-update /usr/sbin/"), `"sudo sallyport join" goes on from here`)
		gotIn(t, b, local, localPass)
		gotIn(t, b, "root", rootPass)
		in(t, b, "sallyport join --yes")
		everybodyIsIn(t, b)
	})
}
