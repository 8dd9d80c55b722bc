package desktop

import (
	"slices"
	"strings"
	"testing"
)

// process is one of a person's, as the kernel knows it.
type process struct {
	pid, name, cgroup string
	groups            []string
}

// inSession tells whether it is of a login session, and not of the user manager.
func (p process) inSession() bool { return strings.Contains(p.cgroup, "/session-") }

// processes lists those of a user.
func (s *seat) processes(user string) []process {
	s.t.Helper()
	out := s.in(`
		for p in $(pgrep -u ` + user + `); do
			names=
			for g in $(sed -n 's/^Groups:[[:space:]]*//p' "/proc/$p/status"); do names="$names $(getent group "$g" | cut -d: -f1)"; done
			echo "$p|$(cat "/proc/$p/comm")|$(sed -n 's/^0:://p' "/proc/$p/cgroup")|$names"
		done 2>/dev/null`)
	var list []process
	for line := range strings.Lines(out) {
		if f := strings.Split(strings.TrimSpace(line), "|"); len(f) == 4 && f[2] != "" {
			list = append(list, process{f[0], f[1], f[2], strings.Fields(f[3])})
		}
	}
	return list
}

const vault = "vault"

// vaulted makes a group that a one-time code earns, with ada in it, and gives her an ssh key.
func (s *seat) vaulted() {
	s.t.Helper()
	s.in(`
		sallyport-server group add vault --demands totp --earned` + server + `; sallyport-server group add-member vault ada` + server + `
		ssh-keygen -q -t ed25519 -N '' -f /root/key; sallyport-server account add-key ada --tag laptop` + server + ` < /root/key.pub
		install -d -m 0755 /run/sshd; systemctl start ssh`)
	s.untilIn("getent group vault && sallyport-keys ada | grep -q ssh-ed25519")
}

// terminal opens one as a person does in GNOME, and waits for the shell in it.
func (s *seat) terminal(user string) {
	s.t.Helper()
	s.key(user, "alt+F2")
	s.sees(user, "Run a Command")
	s.types(user, "gnome-terminal")
	// Its prompt has colours that OCR does not read; the shell names the window after it.
	s.untilIn(s.manager.display(user) + "xdotool getactivewindow getwindowname | grep '^" + user + "@desk:'")
}

// answered types a command in ada's terminal, and returns what it printed.
func (s *seat) answered(command string) string {
	s.t.Helper()
	s.in("rm -f /var/tmp/printed /var/tmp/done")
	s.types(ada, command+" > /var/tmp/printed 2>&1; mv /var/tmp/printed /var/tmp/done")
	s.untilIn("test -e /var/tmp/done")
	return s.in("cat /var/tmp/done")
}

const (
	ssh  = "ssh -F none -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
	weak = ssh + "-i /root/key -o PreferredAuthentications=publickey ada@127.0.0.1 "
)

// A strength-gated group is the session's that earned it. GNOME runs its shell, and all
// that a person starts in it, below the user manager, which weaker sessions of the same
// account share: none of these has the group. A session that begins in a terminal has.
// Promise gated-gnome (`make test-desktop`).
func TestAGatedGroupReachesTheSessionAndNothingInGNOME(t *testing.T) {
	s := seated(t, gdm())
	s.vaulted()
	p := s.enrol()
	s.signIn(ada, "Password", adaPass, "One-time code", s.code(p))
	s.desktop(ada)
	s.terminal(ada)

	s.run("the session's own processes have it, and none of the user manager's", func(t *testing.T) {
		all := s.processes(ada)
		for _, q := range all {
			if has := slices.Contains(q.groups, vault); has != q.inSession() {
				t.Errorf("%s (%s) has the groups %q", q.name, q.cgroup, q.groups)
			}
		}
		for name, inSession := range map[string]bool{
			"gdm-x-session": true, "gnome-session-b": true, "Xorg": true,
			"systemd": false, "gnome-shell": false, "gnome-terminal-": false, "bash": false,
		} {
			if !slices.ContainsFunc(all, func(q process) bool { return q.name == name && q.inSession() == inSession }) {
				t.Errorf("no %s where it was expected (in the session: %t) among %v", name, inSession, all)
			}
		}
	})
	s.run("a terminal and a program of the user manager have it not", func(t *testing.T) {
		for _, how := range []string{"id -Gn", "systemd-run --user --quiet --wait --pipe id -Gn"} {
			if got := strings.Fields(s.answered(how)); slices.Contains(got, vault) || !slices.Contains(got, "crew") {
				t.Errorf("%s prints %q", how, got)
			}
		}
	})
	s.run("a session by key beside it has it not, nor what it starts", func(t *testing.T) {
		got := s.in(weak + `'id -Gn; systemd-run --user --quiet --wait --pipe id -Gn'`)
		if strings.Contains(got, vault) || strings.Count(got, "crew") != 2 {
			t.Errorf("it prints %q", got)
		}
	})
	s.run("su in the terminal asks, and begins one that has it", func(t *testing.T) {
		s.types(ada, "clear; su - ada")
		s.sees(ada, "Password:")
		s.types(ada, adaPass)
		s.sees(ada, "One-time code:")
		s.types(ada, s.code(p))
		if got := strings.Fields(s.answered("id -Gn")); !slices.Contains(got, vault) {
			t.Errorf("su - has begun a session with %q", got)
		}
		s.types(ada, "clear; sallyport whoami")
		s.sees(ada, "earned by this session, until its last process ends: the group vault")
		s.types(ada, "exit")
		if got := strings.Fields(s.answered("id -Gn")); slices.Contains(got, vault) {
			t.Errorf("behind it the terminal has %q", got)
		}
	})
	s.run("so does ssh to this machine", func(t *testing.T) {
		s.types(ada, "clear; "+ssh+"ada@127.0.0.1")
		s.sees(ada, "ada@127.0.0.1's password")
		s.types(ada, adaPass+s.code(p)) // in one line, since this sshd asks once
		s.sees(ada, "Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY")
		if got := strings.Fields(s.answered("id -Gn")); !slices.Contains(got, vault) {
			t.Errorf("ssh has begun a session with %q", got)
		}
		s.types(ada, "exit")
	})
	s.run("newgrp gives it to nobody", func(t *testing.T) {
		if got := s.answered("echo id -Gn | setsid --wait newgrp vault"); strings.Contains(got, vault+" ") {
			t.Errorf("newgrp has begun a shell: %q", got)
		}
	})
}
