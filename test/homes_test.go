package test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// skeleton gives new homes a file and a mode that nothing else would give them.
const skeleton = `echo welcome > /etc/skel/.from-skel
	sed -i '/^#\?HOME_MODE/d' /etc/login.defs; echo 'HOME_MODE 0710' >> /etc/login.defs`

const homeIsNew = `test "$(stat -c '%a %U %G' /home/ada)" = "710 ada ada"
	test "$(cat /home/ada/.from-skel)" = welcome; test "$(stat -c %U /home/ada/.from-skel)" = ada`

// Promise homes.
func TestHomesAreMadeAtTheFirstLoginOnEveryWayIn(t *testing.T) {
	r := joined(t)
	script(t, r, skeleton+`
		printf '#!/bin/sh\nexit 0\n' > /usr/local/bin/yes; chmod +x /usr/local/bin/yes
		echo 'local ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/local`)
	all := ways(r, ada, adaPass)
	all["ssh key"] = byKey(r, ada)
	all["root's su"] = func(ctx context.Context) (machine.Outcome, error) {
		return r.RunAs(ctx, "root", `su - ada -c 'echo I am $(id -un) with; pwd'`)
	}
	all["sudo -i"] = func(ctx context.Context) (machine.Outcome, error) {
		return r.RunAs(ctx, local, `sudo -n -i -u ada sh -c 'echo I am $(id -un) with'`)
	}
	for name, way := range all {
		t.Run(name, func(t *testing.T) {
			script(t, r, "test ! -e /home/ada")
			screen := lets(t, way, ada)
			if strings.Contains(screen, "annot change") || strings.Contains(screen, "ould not chdir") {
				t.Errorf("there was no home to begin in:\n%s", screen)
			}
			script(t, r, homeIsNew+"; rm -r /home/ada")
		})
	}
}

// Promise homes.
func TestHomesAreMadeForPeopleOfTheRealmAlone(t *testing.T) {
	r := joined(t)
	script(t, r, "useradd -M -s /bin/bash homeless; echo 'homeless:"+localPass+"' | chpasswd")
	lets(t, ways(r, "homeless", localPass)["su"], "homeless")
	lets(t, ways(r, "homeless", localPass)["ssh password"], "homeless")
	script(t, r, "test ! -e /home/homeless")
	must(t, r.Daemon.Stop(t.Context()))
	lets(t, ways(r, "homeless", localPass)["su"], "homeless")
	script(t, r, "test ! -e /home/homeless")
}

// Promise homes.
func TestHomesThatCannotBeMadeAreSaidAndStopNobody(t *testing.T) {
	r := joined(t)
	// As below an autofs mount point: nothing can be made there.
	script(t, r, "rm -rf /home/ada; mount -t tmpfs -o ro none /home")
	for _, way := range []string{"ssh password", "su"} {
		screen := lets(t, ways(r, ada, adaPass)[way], ada)
		// In a session without a terminal sshd shows what it says itself.
		if !strings.Contains(screen, "Unable to create") && !strings.Contains(screen, "Could not chdir to home directory /home/ada") {
			t.Errorf("%s: nobody says so:\n%s", way, screen)
		}
	}
	script(t, r, "umount /home")
	lets(t, ways(r, ada, adaPass)["su"], ada)
	script(t, r, "test -d /home/ada")
}

// The manual's one line lets a group of the realm use sudo, and nobody else.
// Promise sudo-one-line.
func TestSudoForAGroupIsOneLineOfTheManual(t *testing.T) {
	root, err := machine.RepoRoot()
	must(t, err)
	manual, err := os.ReadFile(filepath.Join(root, "docs/sudo.md"))
	must(t, err)
	line := regexp.MustCompile(`(?m)^    (echo '%admins .* \| sudo .*)$`).FindSubmatch(manual)
	if line == nil {
		t.Fatal("the manual has no such line")
	}
	r := joined(t)
	admin(t, r, "", "account", "add", "bob")
	admin(t, r, adaPass, "account", "set-password", "bob")
	script(t, r, "rm /etc/sudoers.d/admins; sudo -n true; "+string(line[1]))
	lets(t, bySudo(r, ada, adaPass), "root")
	within(t, r, machine.Patience, func() error { _, err := r.Run(t.Context(), "/usr/bin/id", "bob"); return err })
	keepsOut(t, bySudo(r, "bob", adaPass))
}

// pam-auth-update keeps arguments that an administrator adds, and still takes the line out.
// Promise homes.
func TestHomesTakeAnAdministratorsArguments(t *testing.T) {
	r := joined(t)
	script(t, r, skeleton+`
		sed -i 's/pam_mkhomedir.so.*/& umask=0077/' /etc/pam.d/common-session /etc/pam.d/common-session-noninteractive
		/usr/share/sallyport/configure-host enable`)
	lets(t, ways(r, ada, adaPass)["su"], ada)
	script(t, r, `test "$(stat -c %a /home/ada)" = 700
		/usr/share/sallyport/configure-host disable; ! grep -E 'sallyport|mkhomedir' /etc/pam.d/common-session /etc/pam.d/common-session-noninteractive`)
}

// What an earlier version wrote into the PAM files is its own, and not a change by hand.
func TestHomesComeWithAnUpgradeToo(t *testing.T) {
	r := bare(t)
	script(t, r, `
		/usr/share/sallyport/configure-host disable
		before=$(cat /etc/pam.d/common-* | sha256sum)
		cd /usr/share/pam-configs; cp sallyport /root/
		{ sed '/^Session:/q' sallyport; printf '\toptional\tpam_sallyport.so\n'; } > earlier; mv earlier sallyport
		/usr/share/sallyport/configure-host enable
		grep -q '^session.optional.pam_sallyport.so' /etc/pam.d/common-session
		cp /root/sallyport .
		/usr/share/sallyport/configure-host enable
		for f in common-session common-session-noninteractive; do
			test "$(grep -A2 pam_sallyport.so /etc/pam.d/$f | grep -c -E 'success=1 default=ignore|default=1|pam_mkhomedir')" = 3
		done
		/usr/share/sallyport/configure-host disable
		test "$(cat /etc/pam.d/common-* | sha256sum)" = "$before"`)
}
