package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// without is a machine that we are not on, with a local account and an sshd of the host's
// that is configured by lines of an administrator.
func without(t *testing.T, lines string) *machine.Realm {
	t.Helper()
	m, err := machine.New()
	must(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &machine.Realm{Machine: m}
	must(t, r.WriteFile("/etc/ssh/sshd_config.d/10-admin.conf", lines, 0o644))
	script(t, r, `
		rm -f /etc/nologin /run/nologin
		useradd -m -s /bin/bash `+local+`
		printf '%s:%s\n' `+local+` '`+localPass+`' | chpasswd
		ssh-keygen -A
		ssh-keygen -q -t ed25519 -N '' -f `+adaKey)
	return r
}

// everyPassword is a local account's right password, by each method that sshd has.
func everyPassword(r *machine.Realm) map[string]attempt {
	all := ways(r, local, localPass)
	return map[string]attempt{"password": all["ssh password"], "keyboard-interactive": all["ssh keyboard-interactive"]}
}

// asSSHD is what sshd's settings come to for local, and for everybody.
func asSSHD(t *testing.T, r *machine.Realm) []string {
	t.Helper()
	return strings.Split(script(t, r, "sshd -T; echo Match:; sshd -T -C user="+local+",host=there,addr=192.0.2.1"), "\n")
}

// userdbCommand is what systemd-userdbd brings, on Debian 13.
const userdbCommand = "authorizedkeyscommand /usr/bin/userdbctl ssh-authorized-keys %u"

// Promise attack-network-keys-only, host-sshd.
func TestHostThatTakesKeysOnlyStaysSo(t *testing.T) {
	r := without(t, "PasswordAuthentication no\nMatch User "+local+"\n\tX11Forwarding no\n\tPermitTTY no\n")
	before := asSSHD(t, r)
	must(t, r.StartSSHD(t.Context()))
	for name, try := range everyPassword(r) {
		t.Run("before, "+name, func(t *testing.T) { keepsOut(t, try) })
	}
	must(t, r.SSHD.Stop(t.Context()))
	must(t, r.Install(t.Context()))
	must(t, r.StartSSHD(t.Context()))
	for name, try := range everyPassword(r) {
		t.Run("after, "+name, func(t *testing.T) { keepsOut(t, try) })
	}
	var differences []string
	for i, line := range asSSHD(t, r) {
		if i >= len(before) || line != before[i] {
			differences = append(differences, line)
		}
	}
	want := "[authorizedkeyscommand /usr/bin/sallyport-keys %u %t %k authorizedkeyscommanduser sallyport-keys" +
		" authorizedkeyscommand /usr/bin/sallyport-keys %u %t %k authorizedkeyscommanduser sallyport-keys]"
	if slices.Contains(before, userdbCommand) {
		// Debian 13 with systemd-userdbd: the command there goes on to be the first.
		chained := userdbCommand + " --chain -- /usr/bin/setpriv --reuid=sallyport-keys --regid=sallyport-keys --clear-groups /usr/bin/sallyport-keys --chained %u %t %k"
		want = fmt.Sprint([]string{chained, chained})
	}
	if got := fmt.Sprint(differences); got != want {
		t.Errorf("sshd differs by %s, want %s", got, want)
	}
}

// Promise host-keys-command.
func TestHostKeysCommandOfAnAdministratorStays(t *testing.T) {
	const theirs = "AuthorizedKeysCommand /usr/local/bin/their-keys %u\nAuthorizedKeysCommandUser nobody\n"
	for name, c := range map[string]struct {
		path, lines, says string
		works             bool // for local
	}{
		"in sshd_config":        {"/etc/ssh/sshd_config", theirs, "/etc/ssh/sshd_config:", true},
		"in an included file":   {"/etc/ssh/sshd_config.d/50-keys.conf", theirs, "/etc/ssh/sshd_config.d/50-keys.conf:1: AuthorizedKeysCommand", true},
		"in a Match block":      {"/etc/ssh/sshd_config", "Match User " + local + "\n  " + strings.ReplaceAll(theirs, "\n", "\n  ") + "\n", "/etc/ssh/sshd_config:", true},
		"written otherwise":     {"/etc/ssh/sshd_config.d/50-keys.conf", strings.ToLower(strings.Replace(theirs, "Command ", "Command=", 1)), "50-keys.conf:1: authorizedkeyscommand=", true},
		"forbidden":             {"/etc/ssh/sshd_config", "AuthorizedKeysCommand none\n", "/etc/ssh/sshd_config:", false},
		"below a second folder": {"/etc/ssh/more/keys", theirs, "/etc/ssh/more/keys:1: AuthorizedKeysCommand", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := without(t, "Include \"more/*\"\n")
			must(t, r.WriteFile("/usr/local/bin/their-keys", "#!/bin/sh\n[ \"$1\" != "+local+" ] || cat /etc/their-key\n", 0o755))
			script(t, r, "rm -f /etc/ssh/sshd_config.d/20-systemd-userdb.conf; cp "+adaKey+".pub /etc/their-key; mkdir -p /etc/ssh/more; cat >> "+c.path+" <<'E'\n"+c.lines+"E\n")
			before := asSSHD(t, r)
			must(t, r.Install(t.Context()))
			out := script(t, r, "/usr/share/sallyport/configure-host enable")
			if !strings.Contains(out, c.says) || !strings.Contains(out, "/usr/bin/sallyport-keys --chained NAME") {
				t.Errorf("it does not say so:\n%s", out)
			}
			if after := asSSHD(t, r); strings.Join(before, "\n") != strings.Join(after, "\n") {
				t.Errorf("sshd differs: %q, was %q", after, before)
			}
			must(t, r.StartSSHD(t.Context()))
			if c.works {
				lets(t, byKey(r, local), local)
			} else {
				keepsOut(t, byKey(r, local))
			}
		})
	}
}

// Promise host-shown-first.
func TestHostChangesAreShownBeforeTheyAreMade(t *testing.T) {
	r := without(t, "")
	must(t, r.Install(t.Context()))
	script(t, r, "! grep -v '^#' /etc/sudoers.d/sallyport") // it sets nothing
	files := "cat /etc/nsswitch.conf /etc/pam.d/common-* /etc/ssh/sshd_config.d/* /etc/sudoers.d/* | sha256sum"
	configure := "/usr/share/sallyport/configure-host "
	enabled := script(t, r, files)
	if out := script(t, r, configure+"enable"); strings.Contains(out, "+++") || script(t, r, files) != enabled {
		t.Errorf("a second time it changes something:\n%s", out)
	}
	for _, c := range []struct{ words, sign string }{{"disable", "-"}, {"enable", "+"}} {
		before := script(t, r, files)
		shown := script(t, r, configure+c.words+" --dry-run")
		if script(t, r, files) != before {
			t.Fatalf("%s --dry-run changed something", c.words)
		}
		for _, want := range []string{
			"/etc/nsswitch.conf (new)", "/etc/pam.d/common-auth (new)", "/etc/pam.d/common-session (new)", "/etc/ssh/sshd_config.d/20-sallyport.conf",
			"\n" + c.sign + "AuthorizedKeysCommand /usr/bin/", "/etc/sudoers.d/sallyport", "pam_sallyport.so",
		} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s --dry-run does not show %q:\n%s", c.words, want, shown)
			}
		}
		if done := script(t, r, configure+c.words); done != shown || script(t, r, files) == before {
			t.Errorf("%s shows\n%s\nand with --dry-run\n%s", c.words, done, shown)
		}
	}
	if script(t, r, files) != enabled {
		t.Error("it is not as it was before")
	}
	t.Run("a drop-in that was changed by hand stays", func(t *testing.T) {
		script(t, r, "echo 'LogLevel VERBOSE' >> /etc/ssh/sshd_config.d/20-sallyport.conf")
		out := script(t, r, configure+"enable; grep -x 'LogLevel VERBOSE' /etc/ssh/sshd_config.d/20-sallyport.conf")
		if !strings.Contains(out, "was changed by hand and stays") {
			t.Errorf("it says:\n%s", out)
		}
	})
	t.Run("that of an earlier version gives back what it took", func(t *testing.T) {
		script(t, r, `sed 's/ %t %k$//' /usr/share/sallyport/20-sallyport.conf > /etc/ssh/sshd_config.d/20-sallyport.conf
			printf '%s\n' '# More than one question (a one-time code after the password) needs this method.' 'KbdInteractiveAuthentication yes' 'UsePAM yes' >> /etc/ssh/sshd_config.d/20-sallyport.conf`)
		out := script(t, r, configure+"enable; ! grep KbdInteractive /etc/ssh/sshd_config.d/20-sallyport.conf")
		if !strings.Contains(out, "no longer gets KbdInteractiveAuthentication") {
			t.Errorf("it says:\n%s", out)
		}
	})
	t.Run("that of before certificates is brought up to date", func(t *testing.T) {
		script(t, r, `sed 's/ %t %k$//' /etc/ssh/sshd_config.d/20-sallyport.conf > /root/before; cp /root/before /etc/ssh/sshd_config.d/20-sallyport.conf; ! grep %k /root/before
			`+configure+`enable; grep %k /etc/ssh/sshd_config.d/20-sallyport.conf`)
	})
}

// Promise host-local-keys.
func TestHostKeysOfLocalAccountsWaitForNobody(t *testing.T) {
	r := joined(t)
	script(t, r, `
		for n in 1 2 3; do ssh-keygen -q -t ed25519 -N '' -f /root/agent$n; done
		install -d -o `+local+` -g `+local+` -m 0700 /home/`+local+`/.ssh
		install -o `+local+` -g `+local+` -m 0600 /root/agent3.pub /home/`+local+`/.ssh/authorized_keys`)
	threeKeys := func(ctx context.Context) (machine.Outcome, error) {
		return r.SSHKeys(ctx, local, "/root/agent1", "/root/agent2", "/root/agent3")
	}
	lets(t, threeKeys, local)
	must(t, r.Daemon.Signal(syscall.SIGSTOP))
	begun := time.Now()
	lets(t, threeKeys, local)
	// Without us it is about a second; the key command alone once took ten for each key.
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("three keys take %s while the daemon hangs", took)
	}
	out := script(t, r, "strace -f -e trace=connect sallyport-keys "+local+" 2>&1")
	if strings.Contains(out, "lookup.sock") {
		t.Errorf("a local name is asked about:\n%s", out)
	}
	begun = time.Now()
	out = script(t, r, "sallyport-keys "+ada+" 2>&1 || echo exit $?")
	if took := time.Since(begun); took > 2*time.Second || !strings.Contains(out, "exit 75") {
		t.Errorf("after %s: %s", took, out)
	}
}

// Promise host-keys-command.
func TestHostKeysOfSystemdsUserDatabaseStay(t *testing.T) {
	r := without(t, "")
	script(t, r, "rm -f /etc/ssh/sshd_config.d/20-systemd-userdb.conf")
	must(t, r.WriteFile("/etc/ssh/sshd_config.d/20-systemd-userdb.conf",
		"# as Debian 13 has it\nAuthorizedKeysCommand /usr/bin/userdbctl ssh-authorized-keys %u\nAuthorizedKeysCommandUser root\n", 0o644))
	// A user of the database, with a key: what is served before is served after.
	script(t, r, `mkdir -p /run/userdb
		k=$(cut -d' ' -f1,2 `+adaKey+`.pub)
		echo '{"userName":"drop","uid":61000,"gid":61000,"homeDirectory":"/","shell":"/bin/bash","privileged":{"sshAuthorizedKeys":["'"$k"'"]}}' > /run/userdb/drop.user
		chmod 0600 /run/userdb/drop.user; ln -s drop.user /run/userdb/61000.user
		echo '{"groupName":"drop","gid":61000}' > /run/userdb/drop.group; ln -s drop.group /run/userdb/61000.group`)
	serves := func() string {
		return script(t, r, "eval \"$(sshd -T | sed -n 's/^authorizedkeyscommand //p' | sed 's/%u/drop/g')\" 2>/dev/null")
	}
	before := serves()
	must(t, r.Install(t.Context()))
	if after := serves(); before == "" || after != before {
		t.Errorf("served %q, was %q", after, before)
	}
	must(t, r.StartServer(t.Context()))
	must(t, r.AddPerson(t.Context(), ada, adaPass, adaKey+".pub", "admins"))
	must(t, r.Join(t.Context()))
	must(t, r.StartDaemon(t.Context()))
	must(t, r.WaitOnline(t.Context()))
	must(t, r.StartSSHD(t.Context()))
	lets(t, byKey(r, ada), ada)
	if out := script(t, r, "sallyport doctor 2>&1 || true"); strings.Contains(out, "ssh keys of the realm are not accepted") {
		t.Errorf("doctor says:\n%s", out)
	}
}
