package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// theirs has plain ssh of ada at the laptop do as "sallyport ssh" does for hosts of those
// names, and gives her a folder to work in.
const theirs = `home=$(getent passwd ada | cut -d: -f6); uid=$(id -u ada)
install -d -o ada -g ada -m 0700 "$home" "$home/.ssh" "/run/user/$uid"
runuser -u ada -- sallyport ssh-config '%s' > "$home/.ssh/config"
cat "$home/.ssh/config"
`

// plainly runs lines of sh as ada at the laptop, in an empty folder of hers.
func (n *hosts) plainly(t *testing.T, lines string) machine.Outcome {
	t.Helper()
	o, err := n.TalkAs(t.Context(), ada, nil, `set -e; HOME=$(getent passwd ada | cut -d: -f6); export HOME; t=$(mktemp -d); cd "$t"; exec </dev/null
`+lines)
	must(t, err)
	return o
}

// Each program brings a file there and back by the ssh that it is given.
const (
	byPlainSSH = `S=ssh; ssh() { command ssh "$@"; }; scp() { command scp "$@"; }; sftp() { command sftp "$@"; }; sync="rsync"
`
	byOurs = `S=sallyport-ssh; ssh() { sallyport-ssh "$@"; }; scp() { command scp -S /usr/bin/sallyport-ssh "$@"; }; sftp() { command sftp -S /usr/bin/sallyport-ssh "$@"; }; sync="rsync -e sallyport-ssh"
GIT_SSH_COMMAND="sallyport ssh"; export GIT_SSH_COMMAND
`
	programs = `echo hello > one
there() { ssh target cat "/tmp/$1" | cmp - one && echo "$2: arrived"; }
ssh target rm -rf /tmp/by-scp /tmp/by-sftp /tmp/by-rsync /tmp/by-git
scp -q one target:/tmp/by-scp && there by-scp scp
scp -q target:/tmp/by-scp back && cmp one back && echo "scp: came back"
echo "put one /tmp/by-sftp" | sftp -q -b - target >/dev/null && there by-sftp sftp
$sync one target:/tmp/by-rsync && there by-rsync rsync
git init -q work; cd work; git -c user.name=ada -c user.email=ada@example.org commit -q --allow-empty -m hello
ssh target git init -q --bare /tmp/by-git
git push -q target:/tmp/by-git HEAD:refs/heads/main
git ls-remote target:/tmp/by-git | grep -q refs/heads/main && echo "git: pushed"
`
)

// Promise hop-programs, plain-ssh.
func TestProgramsThatRunSSHLogInAsItDoes(t *testing.T) {
	n := network(t, "target", "other", "asked")
	admin(t, n.Realm, "", "rule", "add", "login", "--who", "admins", "--machines", "target", "--effect", "grant", "--forward", "local")
	admin(t, n.Realm, "", "group", "add", "approvers")
	admin(t, n.Realm, "", "group", "add-member", "approvers", "bob")
	admin(t, n.Realm, "", "rule", "add", "asked", "--who", "admins", "--machines", "asked", "--effect", "approve", "--approvers", "approvers")
	script(t, n.Realm, fmt.Sprintf(theirs, "target* other asked"))
	for how, by := range map[string]string{"plain ssh": byPlainSSH, "sallyport ssh": byOurs} {
		t.Run(how, func(t *testing.T) {
			o := n.plainly(t, by+programs)
			for _, want := range []string{"scp: arrived", "scp: came back", "sftp: arrived", "rsync: arrived", "git: pushed"} {
				if !o.OK() || !strings.Contains(o.Screen, want) {
					t.Errorf("not %q (exit code %d):\n%s", want, o.Code, o.Screen)
				}
			}
		})
	}
	t.Run("at once", n.atOnce)
	t.Run("a port", n.port)
	t.Run("refused", n.plainlyRefused)
	t.Run("an approval", n.plainlyApproved)
	t.Run("another host", n.plainImpostor)
}

// atOnce: logins of one kind at the same time have one agent or several, and none is left.
func (n *hosts) atOnce(t *testing.T) {
	o := n.plainly(t, `for i in 1 2 3 4 5 6; do ssh target echo "in as $i" > out$i 2>&1 & done; wait; cat out*
until [ -z "$(ls /run/user/$(id -u)/sallyport-ssh)" ]; do sleep 0.1; done; echo "nothing is left"
grep -r PRIVATE "$HOME" /run/user/$(id -u) /tmp/sallyport-ssh-* 2>/dev/null && echo "a key on a disk"; true`)
	if strings.Count(o.Screen, "in as") != 6 || !strings.Contains(o.Screen, "nothing is left") || strings.Contains(o.Screen, "a key on") {
		t.Errorf("not all are in, or something is left:\n%s", o.Screen)
	}
}

// port: what a rule allows is forwarded for who asks for it, and nothing for others.
func (n *hosts) port(t *testing.T) {
	o := n.plainly(t, `sallyport ssh -W 127.0.0.1:22 target | head -c 7; echo " by sallyport ssh"
command ssh -W 127.0.0.1:22 target | head -c 7; echo " without a word"
sallyport ssh-config --forward local target > f; command ssh -F f -W 127.0.0.1:22 target | head -c 7; echo " by plain ssh"`)
	for _, want := range []string{"SSH-2.0 by sallyport ssh", "SSH-2.0 by plain ssh"} {
		if !strings.Contains(o.Screen, want) {
			t.Errorf("not %q:\n%s", want, o.Screen)
		}
	}
	if strings.Contains(o.Screen, "SSH-2.0 without a word") {
		t.Errorf("what was not asked for is forwarded:\n%s", o.Screen)
	}
}

func (n *hosts) plainlyRefused(t *testing.T) {
	for words, why := range map[string]string{
		"other " + machine.WhereWho:       "no rule",
		"root@target " + machine.WhereWho: `no account "root"`,
		"bob@target " + machine.WhereWho:  "bob at target",
	} {
		o := n.plainly(t, "ssh "+words)
		n.out(t, o)
		if o.Code != 255 || !strings.Contains(o.Screen, why) {
			t.Errorf("%s: it does not say %q (exit code %d):\n%s", words, why, o.Code, o.Screen)
		}
	}
	n.in(t, n.plainly(t, "ssh target "+machine.WhereWho), "target")
}

// plainlyApproved: ssh says what it waits for, and goes on once it is approved.
func (n *hosts) plainlyApproved(t *testing.T) {
	c, err := n.Console(t.Context(), "/usr/sbin/runuser", "-u", ada, "--", "/bin/sh", "-c", "cd /; ssh asked "+machine.WhereWho)
	must(t, err)
	if _, err := c.Expect(t.Context(), "needs 1 of approvers"); err != nil {
		t.Fatal(err)
	}
	id, err := n.waiting(t)
	must(t, err)
	o, err := n.TalkAs(t.Context(), "bob", []string{"Password: ", bobPass}, "sallyport approve "+id)
	must(t, err)
	if !o.OK() {
		t.Fatalf("bob cannot approve:\n%s", o.Screen)
	}
	screen, code, err := c.Wait(t.Context())
	must(t, err)
	n.in(t, machine.Outcome{Screen: screen, Code: code}, "asked")
}

func (n *hosts) plainImpostor(t *testing.T) {
	script(t, n.Realm, "sed -i 's/^10.9.0.10 /10.9.0.99 /; s/^10.9.0.11 other/10.9.0.11 target other/' /etc/hosts")
	o := n.plainly(t, "ssh target "+machine.WhereWho)
	n.out(t, o)
	if !strings.Contains(o.Screen, "Host key verification failed") {
		t.Errorf("it is not the host key that is refused:\n%s", o.Screen)
	}
}
