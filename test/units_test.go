package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// booted is a machine with the project's units, under a systemd of its own.
func booted(t *testing.T) *machine.Booted {
	t.Helper()
	r := bare(t)
	b, err := r.Boot(t.Context())
	must(t, err)
	return b
}

func in(t *testing.T, b *machine.Booted, lines string) string {
	t.Helper()
	out, err := b.In(t.Context(), lines)
	if err != nil {
		log, _ := b.In(t.Context(), "journalctl -b --no-pager -o short-monotonic | tail -n 60") // what it can say
		t.Fatalf("%v\nThe end of the journal:\n%s", err, log)
	}
	return out
}

// bootedAndJoined has a server with ada in its realm, and is joined; its daemon does not run yet.
func bootedAndJoined(t *testing.T) *machine.Booted {
	t.Helper()
	b := booted(t)
	in(t, b, `
		install -d -o sallyport-server -g sallyport-server -m 0700 /var/lib/sallyport-server
		runuser -u sallyport-server -- sallyport-server init --dir /var/lib/sallyport-server --realm example --listen 127.0.0.1:8443
		systemctl start sallyport-server`)
	must(t, b.Eventually(t.Context(), func() error {
		_, err := b.In(t.Context(), `
			D="--dir /var/lib/sallyport-server"
			sallyport-server account show ada $D >/dev/null 2>&1 || sallyport-server account add ada $D
			echo '`+adaPass+`' | sallyport-server account set-password ada $D`)
		return err
	}))
	out := in(t, b, "sallyport-server machine add laptop --dir /var/lib/sallyport-server --json")
	code := regexp.MustCompile(`"code":\s*"([^"]+)"`).FindStringSubmatch(out)
	pin := regexp.MustCompile(`"fingerprint":\s*"([^"]+)"`).FindStringSubmatch(out)
	if code == nil || pin == nil {
		t.Fatalf("machine add printed %s", out)
	}
	in(t, b, fmt.Sprintf("sallyport join --server https://127.0.0.1:8443 --code '%s' --fingerprint '%s' --yes --no-host", code[1], pin[1]))
	return b
}

// Promise sockets-taken.
func TestTheUnitsRunServerAndDaemonAsSystemdDoes(t *testing.T) {
	b := bootedAndJoined(t)
	t.Run("the sockets alone start the daemon", func(t *testing.T) {
		in(t, b, "systemctl start sallyportd.socket; ! systemctl is-active -q sallyportd.service")
		must(t, b.Eventually(t.Context(), func() error {
			out, err := b.In(t.Context(), "getent passwd ada")
			if err == nil && !strings.HasPrefix(out, "ada:x:") {
				return fmt.Errorf("getent printed %q", out)
			}
			return err
		}))
		in(t, b, "systemctl is-active sallyportd.service")
	})
	t.Run("it is ready, watched and without rights", func(t *testing.T) {
		show := in(t, b, "systemctl show sallyportd -p Type,NotifyAccess,WatchdogUSec,User,ActiveState,NRestarts,StatusErrno; cat /proc/$(pidof sallyportd)/status")
		for _, want := range []string{
			"Type=notify", "WatchdogUSec=30s", "User=sallyport", "ActiveState=active", "NRestarts=0",
			"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
		} {
			if !strings.Contains(show, want) {
				t.Errorf("not %q:\n%s", want, show)
			}
		}
	})
	t.Run("of devices it may use the TPM and no other", func(t *testing.T) {
		out := in(t, b, `
			systemctl show sallyportd -p DevicePolicy,DeviceAllow
			grep -q "^Groups:.*\\b$(getent group tss | cut -d: -f3)\\b" /proc/$(pidof sallyportd)/status && echo in tss
			systemd-analyze verify sallyportd.service`)
		for _, want := range []string{"DevicePolicy=closed", "DeviceAllow=/dev/tpmrm0 rw", "in tss"} {
			if !strings.Contains(out, want) {
				t.Errorf("not %q:\n%s", want, out)
			}
		}
	})
	t.Run("its files are its own", func(t *testing.T) {
		out := in(t, b, "stat -c '%a %U %n' /var/lib/sallyport /var/lib/sallyport/* /run/sallyport /run/sallyport/*")
		for line := range strings.Lines(out) {
			mode, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			want := map[bool]string{true: "600", false: "700"}[strings.Contains(rest, "/var/lib/sallyport/")]
			switch {
			case strings.HasSuffix(rest, ".sock"):
				want = "666"
			case strings.HasSuffix(rest, "/run/sallyport"):
				want = "755"
			case strings.HasSuffix(rest, "/run/sallyport/root"):
				want = "700"
			}
			if mode != want {
				t.Errorf("%s, want %s", line, want)
			}
		}
	})
	t.Run("someone signs in", func(t *testing.T) {
		must(t, b.Eventually(t.Context(), func() error {
			_, err := b.In(t.Context(), "echo '"+adaPass+"' | sallyport auth-test ada --service login")
			return err
		}))
	})
	t.Run("joining again changes a running daemon over", func(t *testing.T) {
		out := in(t, b, `
			D="--dir /var/lib/sallyport-server"
			sallyport-server machine remove laptop $D >&2
			sallyport-server machine add laptop $D | tr -s ' ' | grep -E '^(code|fingerprint) ' | sed 's/^code/--code/; s/^fingerprint/--fingerprint/' > /root/words
			sallyport join --server https://127.0.0.1:8443 $(cat /root/words) --yes --no-host
			systemctl is-active sallyportd.service`)
		if !strings.Contains(out, "was started anew") {
			t.Errorf("join says:\n%s", out)
		}
		must(t, b.Eventually(t.Context(), func() error {
			_, err := b.In(t.Context(), "echo '"+adaPass+"' | sallyport auth-test ada --service login && sallyport status | grep -q '^ *online for'")
			return err
		}))
	})
	t.Run("a restart loses no one who connects meanwhile", func(t *testing.T) {
		in(t, b, "systemctl restart sallyportd & getent passwd ada; wait")
	})
	t.Run("a second daemon takes nothing from the first", func(t *testing.T) {
		out, err := b.In(t.Context(), "stat -c %i /run/sallyport/*.sock /run/sallyport/root/*.sock; systemctl show sallyportd -p MainPID --value")
		must(t, err)
		main := tail(out, 1)
		said, err := b.In(t.Context(), "sallyportd")
		if err == nil || !strings.Contains(said, "already running") || !strings.Contains(said, "by process "+main) || !strings.Contains(said, "systemctl") {
			t.Errorf("it printed (%v):\n%s", err, said)
		}
		in(t, b, "echo '"+adaPass+"' | sallyport auth-test ada --service login; sallyport status >/dev/null")
		if after := in(t, b, "stat -c %i /run/sallyport/*.sock /run/sallyport/root/*.sock; systemctl show sallyportd -p MainPID --value"); after != out {
			t.Errorf("sockets and process were\n%sand are\n%s", out, after)
		}
	})
	t.Run("a daemon that hangs is ended by the watchdog and started anew", func(t *testing.T) {
		before := in(t, b, "systemctl show sallyportd -p MainPID --value")
		// The watchdog's 30 s are systemd's own to count; shorter here to see it act.
		in(t, b, "mkdir -p /run/systemd/system/sallyportd.service.d; printf '[Service]\nWatchdogSec=1\n' > /run/systemd/system/sallyportd.service.d/test.conf; systemctl daemon-reload; systemctl restart sallyportd")
		in(t, b, "kill -STOP $(systemctl show sallyportd -p MainPID --value)")
		must(t, b.Eventually(t.Context(), func() error {
			out, err := b.In(t.Context(), "systemctl show sallyportd -p NRestarts --value; getent passwd ada")
			if err == nil && strings.HasPrefix(out, "0") {
				return fmt.Errorf("not restarted (was %s): %s", before, out)
			}
			return err
		}))
	})
	t.Run("doctor finds nothing that is our fault", func(t *testing.T) {
		out, err := b.In(t.Context(), "systemctl start ssh; sallyport doctor || true")
		must(t, err)
		if strings.Contains(out, "PROBLEM") {
			t.Errorf("doctor says:\n%s", out)
		}
	})
	t.Run("taken out, local accounts still log in", func(t *testing.T) {
		in(t, b, "/usr/share/sallyport/configure-host disable; systemctl stop sallyportd.socket sallyportd")
		in(t, b, "echo '"+localPass+"' | sallyport auth-test local --service login")
		out := in(t, b, "grep -r sallyport /etc/pam.d /etc/nsswitch.conf /etc/ssh/sshd_config.d || true")
		if out != "" {
			t.Errorf("left behind:\n%s", out)
		}
	})
}
