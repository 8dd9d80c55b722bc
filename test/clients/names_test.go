package clients

import (
	"strings"
	"testing"
)

// naming is a program that names people, or moves their files, and what it prints.
type naming struct{ lines, want string }

const sshKey = "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -i " + adaKey

// namings are keyed by what the person who uses them expects. Each runs as root in an empty folder.
func namings() map[string]naming {
	return map[string]naming{
		"python knows ada":   {`python3 -c 'import pwd, grp; print(pwd.getpwnam("ada").pw_dir, grp.getgrnam("crew").gr_mem)'`, "/home/ada ['ada', 'carol']"},
		"perl knows ada":     {`perl -e '@p = getpwnam("ada"); print "$p[7] ", scalar(getpwuid($p[2])), "\n"'`, "/home/ada ada"},
		"node knows ada":     {`su ada -s /bin/sh -c 'node -p "require(\"os\").userInfo().username"'`, "ada"},
		"tar keeps owners":   {`touch a; chown ada:crew a; tar cf t.tar a; rm a; tar xf t.tar; tar tvf t.tar; stat -c %U:%G a`, "ada:crew"},
		"setfacl takes ada":  {`touch b; setfacl -m u:ada:r,g:crew:rw b; getfacl -p b`, "user:ada:r--"},
		"rsync keeps owners": {`mkdir c; touch c/f; chown ada:crew c/f; rsync -a c/ d/; stat -c %U:%G d/f`, "ada:crew"},
		"find finds them":    {`touch e; chown ada e; find . -user ada -printf '%u\n'`, "ada"},
		"newgrp begins a shell with another group": {
			`su ada -s /bin/sh -c 'echo "id -gn" | newgrp crew'`, "crew",
		},
		"gpasswd gives a local group": {
			`groupadd -f tapes; gpasswd -a ada tapes; id -nG ada; gpasswd -d ada tapes`, "tapes",
		},
		"tmux belongs to who began it": {
			`su -l ada -c 'tmux -L t new-session -d "id -un >/tmp/in-tmux; sleep 9"'; until test -s /tmp/in-tmux; do :; done; cat /tmp/in-tmux; rm /tmp/in-tmux`, "ada",
		},
	}
}

// transfers go over ssh, and so need the daemon.
func transfers() map[string]naming {
	return map[string]naming{
		"scp brings a file":        {`echo hello >f; scp ` + sshKey + ` f ada@127.0.0.1:by-scp; stat -c %U /home/ada/by-scp`, "ada"},
		"rsync brings a folder":    {`mkdir g; echo hello >g/f; rsync -e "ssh ` + sshKey + `" -a g ada@127.0.0.1:; stat -c %U /home/ada/g/f`, "ada"},
		"git clones from her home": {`su -l ada -c 'rm -rf r; git init -q r; cd r; git -c user.name=a -c user.email=a commit -q --allow-empty -m first'; GIT_SSH_COMMAND="ssh ` + sshKey + `" git clone -q ada@127.0.0.1:r; git -C r log --format=%s`, "first"},
		"sftp is held in a folder": {
			`printf 'ls /\nls /etc\n' | sftp ` + strings.Replace(sshKey, "-o BatchMode=yes", "", 1) + ` carol@127.0.0.1 2>&1 || true`, "drop",
		},
	}
}

func (h *host) names(all map[string]naming, when string) {
	for expects, n := range all {
		h.scene(expects+when, func() {
			out, err := h.In(h.t.Context(), "d=$(mktemp -d); chmod 0755 $d; cd $d\n"+n.lines)
			if err != nil || !strings.Contains(out, n.want) || strings.Contains(out, "root:root") {
				h.t.Errorf("not %q (%v):\n%s", n.want, err, out)
			}
		})
	}
}

// Promise clients-names.
func TestProgramsKnowPeopleByName(t *testing.T) {
	h := joined(t, wants{units: []string{"ssh"}})
	h.in("su -l ada -c true; su -l carol -c true")
	h.names(namings(), "")
	h.in("until s=$(sallyport status --json || true) && ! echo \"$s\" | grep -q stale_since; do :; done; systemctl stop sallyportd.socket sallyportd")
	for expects, n := range namings() {
		// root's su asks for the account phase, which cannot be answered now.
		n.lines = strings.NewReplacer("su ada -s /bin/sh -c", "runas", "su -l ada -c", "runas").Replace(n.lines)
		n.lines = "runas() { setpriv --reuid=ada --regid=ada --init-groups env HOME=/tmp sh -c \"$1\"; }\n" + n.lines
		h.names(map[string]naming{expects: n}, ", the daemon stopped")
	}
}

// Promise clients-names.
func TestFilesGoOverSSH(t *testing.T) {
	h := joined(t, wants{
		units: []string{"ssh"},
		files: map[string]string{"/etc/ssh/sshd_config.d/80-sftp.conf": "Match User carol\nChrootDirectory /srv/in\nForceCommand internal-sftp\n"},
	})
	h.untilIn("sallyport-keys " + ada + " | grep -q ssh-ed25519 && sallyport-keys " + carol + " | grep -q ssh-ed25519")
	h.in("mkdir -p /srv/in/drop; su -l ada -c true")
	h.names(transfers(), "")
	h.offline()
	h.names(transfers(), ", offline")
	h.in("systemctl stop sallyportd.socket sallyportd")
	if out, err := h.In(t.Context(), "timeout 30 ssh "+sshKey+" ada@127.0.0.1 true"); err == nil {
		t.Errorf("she is in without the daemon:\n%s", out)
	}
}
