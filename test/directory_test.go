package test

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// published waits until the file that programs read names ada.
func published(t *testing.T, r *machine.Realm) {
	t.Helper()
	must(t, r.Eventually(t.Context(), func() error {
		// The file may be followed at once by one of what the daemon has learnt meanwhile.
		out, err := r.Script(t.Context(), "grep -ac 'ada' /var/cache/sallyport/directory && ! sallyport status --json | grep stale_since")
		if err != nil {
			return fmt.Errorf("ada and all else is not published: %w: %s", err, out)
		}
		return nil
	}))
}

// everyday is how people and programs name a person: commands and what each
// prints. Each is run as it is by a shell.
func everyday() map[string]string {
	return map[string]string{
		"id ada":                      `uid=(\d+)\(ada\) gid=\d+\(ada\) groups=\d+\(ada\),\d+\(admins\)`,
		"id -nG ada":                  `^ada admins$`,
		"getent passwd ada":           `^ada:x:\d+:\d+:Ada Lovelace:/home/ada:`,
		"getent passwd $(id -u ada)":  `^ada:x:`,
		"getent group admins":         `^admins:x:\d+:ada$`,
		"getent group ada":            `^ada:x:\d+:ada$`,
		"getent passwd ADA":           `^ada:x:`,
		"getent passwd ada@example":   `^ada:x:`,
		"getent initgroups ada":       `^ada +\d+ \d+`,
		"getent passwd | grep ^ada":   `^ada:x:`,
		"getent group | grep ^admins": `^admins:x:`,
		"ls -l /srv/adas":             `1 ada +ada .*adas`,
		"find /srv -user ada":         `^/srv/adas$`,
		"find /srv -group admins":     `^/srv/admins$`,
		"stat -c '%U %G' /srv/adas":   `^ada ada$`,
		"chown ada:admins /tmp/other": `^$`,
		"sudo -u ada id -nG":          `^ada admins$`,
		"setpriv --reuid ada --regid ada --init-groups id -nG": `^ada admins$`,
		"getent shadow ada || true":                            `^$`,
		"getent passwd nosuchname || echo none":                `^none$`,
		"getent passwd 1879000001 || echo none":                `^none$`,
		"getent group nosuchname || echo none":                 `^none$`,
	}
}

func lives(t *testing.T, r *machine.Realm) {
	t.Helper()
	for command, want := range everyday() {
		out, err := r.Script(t.Context(), command)
		if err != nil || !regexp.MustCompile(want).MatchString(strings.TrimSpace(out)) {
			t.Errorf("%s printed %q, want %s (%v)", command, out, want, err)
		}
	}
}

func TestNamesNeedNoDaemon(t *testing.T) {
	for name, bring := range map[string]func(t *testing.T, r *machine.Realm){
		"all is well":     func(*testing.T, *machine.Realm) {},
		"daemon hung":     func(t *testing.T, r *machine.Realm) { must(t, r.Daemon.Signal(syscall.SIGSTOP)) },
		"daemon killed":   func(_ *testing.T, r *machine.Realm) { r.Daemon.Kill() },
		"sockets missing": func(t *testing.T, r *machine.Realm) { script(t, r, "rm -rf /run/sallyport") },
		"server gone":     func(t *testing.T, r *machine.Realm) { must(t, r.Server.Stop(t.Context())) },
		"after a reboot, before the daemon": func(t *testing.T, r *machine.Realm) {
			r.Daemon.Kill()
			script(t, r, "rm -rf /run/sallyport /var/cache/sallyport/.??*")
		},
		"daemon killed in the middle of a start, again and again": func(t *testing.T, r *machine.Realm) {
			r.Daemon.Kill()
			for range 5 {
				must(t, r.StartDaemon(t.Context()))
				r.Daemon.Kill()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := joined(t)
			published(t, r)
			script(t, r, "touch /srv/adas /srv/admins /tmp/other; chown ada:ada /srv/adas; chgrp admins /srv/admins")
			bring(t, r)
			lives(t, r)
		})
	}
}

func TestALookupThatTheFileAnswersTouchesNoSocket(t *testing.T) {
	r := joined(t)
	published(t, r)
	for _, command := range []string{"id ada", "getent passwd ada", "getent group admins", "getent passwd nosuchname", "getent passwd"} {
		out := script(t, r, "strace -f -e trace=%net,openat,open "+command+" 2>&1 || true")
		if strings.Contains(out, ".sock") {
			t.Errorf("%s asks the daemon:\n%s", command, out)
		}
		if n := strings.Count(out, "/var/cache/sallyport/directory"); n != 1 {
			t.Errorf("%s opens the file %d times:\n%s", command, n, out)
		}
	}
}

// watcher looks a name up until it is, or is no longer, there.
const watcher = `
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	(void)argc;
	for (int was = getpwnam(argv[1]) != NULL;; usleep(1000)) {
		int is = getpwnam(argv[1]) != NULL;

		if (is != was)
			puts(is ? "came" : "went");
		fflush(stdout);
		was = is;
	}
}`

func TestAChangeReachesAProgramThatRuns(t *testing.T) {
	r := joined(t)
	published(t, r)
	must(t, r.WriteFile("/root/watcher.c", watcher, 0o644))
	script(t, r, "gcc -O1 -o /root/watcher /root/watcher.c")
	for i := range 3 {
		name := fmt.Sprintf("grace%d", i)
		p, err := r.Start(t.Context(), "/root/watcher", name)
		must(t, err)
		admin(t, r, "", "account", "add", name)
		must(t, p.Output.Wait(t.Context(), "came"))
		admin(t, r, "", "account", "remove", name)
		must(t, p.Output.Wait(t.Context(), "went"))
		p.Kill()
	}
}

func TestAContainerNeedsTheFolderAndNothingElse(t *testing.T) {
	r := joined(t)
	published(t, r)
	out := script(t, r, `
		mkdir -p /srv/jail/var/cache/sallyport /srv/jail/etc /srv/jail/usr /srv/jail/proc
		for d in bin lib lib64 sbin; do [ -L /$d ] && cp -P /$d /srv/jail/ || true; done
		cp /etc/nsswitch.conf /srv/jail/etc/
		printf 'root:x:0:0::/:/bin/sh\n' >/srv/jail/etc/passwd
		printf 'root:x:0:\n' >/srv/jail/etc/group
		unshare -m sh -euc '
			mount --bind /usr /srv/jail/usr
			mount --bind /var/cache/sallyport /srv/jail/var/cache/sallyport
			mount -o remount,bind,ro /srv/jail/var/cache/sallyport
			chroot /srv/jail /usr/bin/id ada
			chroot /srv/jail /usr/bin/getent group admins'`)
	if !regexp.MustCompile(`uid=\d+\(ada\).*\(admins\)\nadmins:x:\d+:ada\n$`).MatchString(out) {
		t.Errorf("in the container: %q", out)
	}
}

func TestAGroupOfTheRealmGivesAGroupOfTheMachine(t *testing.T) {
	r := joined(t)
	uuid := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(admin(t, r, "", "group", "show", "admins", "--json"))
	script(t, r, `
		groupadd -g 950 docker
		printf '[groups]\nlocal = { docker = "`+uuid+`" }\n' >> /etc/sallyport/sallyportd.toml`)
	must(t, r.Daemon.Stop(t.Context()))
	must(t, r.StartDaemon(t.Context()))
	within(t, r, machine.Patience, func() error {
		if out := script(t, r, "id -nG ada"); !strings.Contains(out, "docker") {
			return fmt.Errorf("groups: %s", out)
		}
		return nil
	})
	if out := script(t, r, "su ada -s /bin/sh -c 'id -G'"); !strings.Contains(out, " 950") {
		t.Errorf("su: %s", out)
	}
	t.Run("also with the daemon dead", func(t *testing.T) {
		r.Daemon.Kill()
		if out := script(t, r, "id -nG ada"); !strings.Contains(out, "docker") {
			t.Errorf("groups: %s", out)
		}
		must(t, r.StartDaemon(t.Context()))
		must(t, r.WaitOnline(t.Context()))
	})
	t.Run("and no longer for who leaves it", func(t *testing.T) {
		admin(t, r, "", "group", "remove-member", "admins", ada)
		within(t, r, machine.Patience, func() error {
			// Between its list and its names id may see two files, and then miss a name.
			if out, err := r.Script(t.Context(), "id -nG ada"); err != nil || strings.TrimSpace(out) != ada {
				return fmt.Errorf("groups: %s (%w)", out, err)
			}
			return nil
		})
	})
}

func TestALocalNameThatComesLaterIsNoLongerPublished(t *testing.T) {
	r := joined(t)
	published(t, r)
	script(t, r, `echo 'ada:x:4242:4242::/tmp:/bin/bash' >> /etc/passwd`)
	for _, state := range []string{"daemon running", "daemon dead"} {
		// Not even for a moment: glibc asks every service for groups, and merges.
		if out := script(t, r, "id -G ada"); strings.TrimSpace(out) != "4242" {
			t.Errorf("%s: the machine's own ada has groups %s", state, out)
		}
		r.Daemon.Kill()
	}
	must(t, r.StartDaemon(t.Context()))
	within(t, r, machine.Patience, func() error {
		if out, err := r.Script(t.Context(), "grep -a ada /var/cache/sallyport/directory"); err == nil {
			return fmt.Errorf("still published: %q", out)
		}
		return nil
	})
}

func TestStaleNamesAreServedForAsLongAsPolicyAllows(t *testing.T) {
	r := joined(t)
	script(t, r, `printf '[directory]\nkeep = "3s"\n' >> /etc/sallyport/sallyportd.toml`)
	must(t, r.Daemon.Stop(t.Context()))
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	published(t, r)
	script(t, r, "getent passwd ada")
	r.Daemon.Kill()
	within(t, r, machine.Patience, func() error {
		if out, err := r.Script(t.Context(), "getent passwd ada"); err == nil {
			return fmt.Errorf("still %s", out)
		}
		return nil
	})
}

func TestStatusSaysWhatProgramsAreReading(t *testing.T) {
	r := joined(t)
	published(t, r)
	out := script(t, r, "sallyport status || true")
	for _, want := range []string{"/var/cache/sallyport/directory", "accounts: 1; groups: 1;", "what is not in it does not exist"} {
		if !strings.Contains(out, want) {
			t.Errorf("status lacks %q:\n%s", want, out)
		}
	}
}
