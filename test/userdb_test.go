package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

const bob = "bob"

// settled is a booted machine in a realm where ada and bob are in crew, with the units of a
// workstation running and a snapshot that has both.
func settled(t *testing.T) *machine.Booted {
	t.Helper()
	b := booted(t)
	in(t, b, `
		systemctl stop nscd || true # it keeps its answers for minutes, and has a test of its own
		install -d -o sallyport-server -g sallyport-server -m 0700 /var/lib/sallyport-server
		runuser -u sallyport-server -- sallyport-server init --dir /var/lib/sallyport-server --realm example --listen 127.0.0.1:8443
		systemctl start sallyport-server
		D="--dir /var/lib/sallyport-server"
		for n in `+ada+` `+bob+`; do sallyport-server account add $n --full-name "Person $n" $D; echo '`+adaPass+`' | sallyport-server account set-password $n $D; done
		sallyport-server group add crew $D; sallyport-server group add-member crew ada $D; sallyport-server group add-member crew bob $D`)
	out := in(t, b, "sallyport-server machine add laptop --dir /var/lib/sallyport-server --json")
	code := regexp.MustCompile(`"code":\s*"([^"]+)"`).FindStringSubmatch(out)
	pin := regexp.MustCompile(`"fingerprint":\s*"([^"]+)"`).FindStringSubmatch(out)
	if code == nil || pin == nil {
		t.Fatalf("machine add printed %s", out)
	}
	in(t, b, fmt.Sprintf("sallyport join --server https://127.0.0.1:8443 --code '%s' --fingerprint '%s' --yes --no-host", code[1], pin[1]))
	in(t, b, "systemctl start sallyportd.socket sallyportd sallyport-subids.path")
	must(t, b.Eventually(t.Context(), func() error {
		out, err := b.In(t.Context(), "userdbctl users-in-group crew")
		if err == nil && (!strings.Contains(out, ada) || !strings.Contains(out, bob)) {
			err = fmt.Errorf("userdbctl printed %q", out)
		}
		return err
	}))
	return b
}

// daemonStates are those in which nothing may change for people who are known. What
// the daemon knows is in the file before it hangs or goes, however slow the disk is.
func daemonStates() []struct{ name, begin, end string } {
	const written = "until s=$(sallyport status --json || true) && ! echo \"$s\" | grep -q stale_since; do :; done; "
	return []struct{ name, begin, end string }{
		{"the daemon runs", "true", "true"},
		{"the daemon hangs", written + "kill -STOP $(systemctl show sallyportd -p MainPID --value)", "kill -CONT $(systemctl show sallyportd -p MainPID --value)"},
		{"the daemon is gone", written + "systemctl stop sallyportd.socket sallyportd", "systemctl start sallyportd.socket sallyportd"},
	}
}

func bsays(t *testing.T, b *machine.Booted, lines string, want ...string) {
	t.Helper()
	out, err := b.In(t.Context(), lines)
	for _, w := range want {
		if err != nil || !strings.Contains(out, w) {
			t.Errorf("%s: not %q (%v):\n%s", lines, w, err, out)
		}
	}
}

// Promise systemd-names.
func TestSystemdKnowsThePeopleOfTheRealm(t *testing.T) {
	b := settled(t)
	in(t, b, "systemctl start systemd-userdbd.socket")
	in(t, b, "su -l ada -c 'sleep 300' </dev/null >/dev/null 2>&1 &") // a session, through pam_systemd
	must(t, b.Eventually(t.Context(), func() error {
		_, err := b.In(t.Context(), "loginctl show-user ada -p State | grep -x State=active")
		return err
	}))
	for _, s := range daemonStates() {
		t.Run(s.name, func(t *testing.T) {
			in(t, b, s.begin)
			bsays(t, b, "userdbctl user ada", "User name: ada", "Disposition: regular", "Real Name: Person ada", "Service: io.systemd.NameServiceSwitch", "Shell: /bin/bash")
			bsays(t, b, "userdbctl group crew", "Group name: crew", "Members: ada", "bob")
			bsays(t, b, "userdbctl groups-of-user ada", "crew")
			bsays(t, b, "userdbctl users-in-group crew", "ada", "bob")
			bsays(t, b, "userdbctl user", "ada", "bob", local, "root")
			bsays(t, b, "id ada; systemd-run --wait --pipe -q --uid=ada id -un", "(crew)", "ada\n")
			bsays(t, b, "getent passwd | grep -c ^ada:; getent group | grep -c ^crew:", "1\n1\n") // each once
			if out, err := b.In(t.Context(), "getent -s systemd shadow ada; getent -s systemd gshadow crew; getent shadow ada"); err == nil || strings.Contains(out, "ada:") {
				t.Errorf("there is an entry in shadow(5) (%v):\n%s", err, out)
			}
			bsays(t, b, "userdbctl user "+local+"; id "+local, "User name: "+local, "("+local+")")
			in(t, b, "! userdbctl user nobodyhere")
			bsays(t, b, "loginctl list-sessions; loginctl show-user ada -p Name -p State", " ada ", "Name=ada", "State=active")
			bsays(t, b, "su -l "+local+" -c 'loginctl show-session $XDG_SESSION_ID -p Name'", "Name="+local)
			in(t, b, s.end)
		})
	}
	t.Run("nothing of ours is asked beside the name service", func(t *testing.T) {
		in(t, b, "! ls /run/systemd/userdb | grep -i sallyport; ! pgrep -x sallyport-userd")
	})
	t.Run("without systemd-userdbd it is the same", func(t *testing.T) {
		in(t, b, "systemctl stop systemd-userdbd.socket systemd-userdbd.service")
		bsays(t, b, "userdbctl user ada; su -l ada -c 'loginctl show-session $XDG_SESSION_ID -p Name'", "User name: ada", "Name=ada")
	})
}

// mapped runs as name in a user namespace of its own whose ids come from start.
func mapped(name string, start string) string {
	return `cd /; setpriv --reuid=` + name + ` --regid=` + name + ` --init-groups sh -c '
		set -e
		unshare -U sleep 60 & p=$!
		until [ "$(readlink /proc/$p/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do :; done
		trap "kill $p" EXIT
		newuidmap $p 0 ` + start + ` 65536
		newgidmap $p 0 ` + start + ` 65536
		cat /proc/$p/uid_map /proc/$p/gid_map'`
}

// Promise subids-files.
func TestEverybodyHasSubordinateIDsOfTheirOwn(t *testing.T) {
	b := settled(t)
	start := func(name string) string {
		t.Helper()
		in(t, b, "su -l "+name+" -c true </dev/null")
		line := regexp.MustCompile(`(?m)^` + strings.TrimSpace(in(t, b, "id -u "+name)) + `:(\d+):65536$`)
		var found []string
		must(t, b.Eventually(t.Context(), func() error {
			uids, gids := in(t, b, "cat /etc/subuid"), in(t, b, "cat /etc/subgid")
			if found = line.FindStringSubmatch(uids); found == nil || !line.MatchString(gids) {
				return fmt.Errorf("%s has no range:\n%s%s%s", name, uids, gids, in(t, b, "systemctl status sallyport-subids.path sallyport-subids || true; journalctl -b -u sallyport-subids -u sallyportd; ls -l /var/lib/sallyport"))
			}
			return nil
		}))
		bsays(t, b, "sallyport subids "+name, name+" has 65536 user and group ids from "+found[1])
		return found[1]
	}
	in(t, b, "printf '"+local+":100000:65536\n# kept as it is\n' > /etc/subuid; printf '"+local+":100000:65536' > /etc/subgid; chmod 0664 /etc/subgid")
	a, o := start(ada), start(bob)
	if a == o {
		t.Fatalf("ada and bob share %s", a)
	}
	bsays(t, b, "cat /etc/subuid; stat -c %a:%U /etc/subgid", local+":100000:65536\n# kept as it is\n", "664:root")
	bsays(t, b, "getsubids ada; getsubids -g bob", "ada "+a+" 65536", "bob "+o+" 65536")
	for _, s := range daemonStates() {
		t.Run(s.name, func(t *testing.T) {
			in(t, b, s.begin)
			bsays(t, b, mapped(ada, a), a+"      65536")
			bsays(t, b, "cd /; setpriv --reuid=ada --regid=ada --init-groups unshare -U --map-auto cat /proc/self/uid_map", a+"      65536")
			bsays(t, b, mapped(local, "100000"), "100000      65536")
			for name, other := range map[string]string{ada: o, local: a, bob: "100000"} {
				if out, err := b.In(t.Context(), mapped(name, other)); err == nil || !strings.Contains(out, "not allowed") {
					t.Errorf("%s has the ids from %s (%v):\n%s", name, other, err, out)
				}
			}
			in(t, b, s.end)
		})
	}
	t.Run("the writer has no right to more", func(t *testing.T) {
		bsays(t, b, "systemctl show sallyport-subids -p CapabilityBoundingSet,ProtectSystem,NoNewPrivileges; systemd-analyze verify sallyport-subids.path sallyport-subids.service",
			"CapabilityBoundingSet=cap_chown cap_dac_read_search", "ProtectSystem=strict", "NoNewPrivileges=yes")
	})
	t.Run("a line of an earlier version is taken out", func(t *testing.T) {
		in(t, b, "echo 'subid:          sallyport' >> /etc/nsswitch.conf; /usr/share/sallyport/configure-host enable; ! grep subid /etc/nsswitch.conf; useradd -m later")
	})
	t.Run("taken out, local people keep theirs", func(t *testing.T) {
		in(t, b, "echo 'subid: files' >> /etc/nsswitch.conf; /usr/share/sallyport/configure-host disable; grep -x 'subid: files' /etc/nsswitch.conf")
		bsays(t, b, mapped(local, "100000"), "100000      65536")
	})
}

func TestANameServiceCacheDoesNoHarm(t *testing.T) {
	b := settled(t)
	in(t, b, "rm -f /usr/sbin/policy-rc.d; systemctl start nscd; test -S /run/nscd/socket")
	for _, s := range daemonStates() {
		t.Run(s.name, func(t *testing.T) {
			in(t, b, s.begin+"; nscd -i passwd; nscd -i group; nscd -i netgroup || true")
			bsays(t, b, "getent passwd ada; id ada; getent group crew; getent passwd "+local, "ada:x:", "(crew)", "ada,bob", local+":x:")
			in(t, b, "! getent passwd nobodyhere")
			bsays(t, b, "sallyport doctor || true", "nscd", "systemctl disable --now nscd")
			in(t, b, s.end)
		})
	}
}
