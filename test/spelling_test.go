package test

import (
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// spellings find ada in lookups and are not her name.
var spellings = []string{"ADA", "Ada", "ada@" + machine.RealmName, "ADA@EXAMPLE"}

// Promise 18, attack-person-spelling.
func TestAnotherSpellingLogsNobodyIn(t *testing.T) {
	r := joined(t)
	ownKey(t, r)
	for _, name := range spellings {
		for way, try := range ways(r, name, adaPass) {
			if way == "su" {
				continue // su asks PAM for the name that the lookup found; see below
			}
			t.Run(name+" by "+way, func(t *testing.T) { keepsOut(t, try) })
		}
		// sshd itself accepts the key in her home; the account phase refuses.
		t.Run(name+" by key", func(t *testing.T) { keepsOut(t, byKey(r, name)) })
		if out := script(t, r, "sallyport-keys "+name); strings.Contains(out, "ssh-") {
			t.Errorf("keys of %s: %q", name, out)
		}
	}
	t.Run("the console says which name to use", func(t *testing.T) {
		o, err := r.Login(t.Context(), "ADA", adaPass)
		must(t, err)
		if !strings.Contains(o.Screen, "Sign in as ada.") {
			t.Errorf("login says %q", o.Screen)
		}
	})
	t.Run("explain says which name to use", func(t *testing.T) {
		out, err := r.Run(t.Context(), "/usr/bin/sallyport", "explain", "ADA", "--service", "sshd")
		if err == nil || !strings.Contains(out, "Sign in as ada.") {
			t.Errorf("explain says %s", out)
		}
	})
	lets(t, byKey(r, ada), ada)
	lets(t, ways(r, ada, adaPass)["login"], ada)
}

// Each of these compares a name with a list of an administrator's. Whoever is on the
// list must meet it by every spelling.
// Promise 18, attack-person-spelling.
func TestWhateverComparesNamesMeetsTheAccountsOwn(t *testing.T) {
	r := joined(t)
	lets(t, byKey(r, ada), ada)
	restart := func(t *testing.T) {
		t.Helper()
		must(t, r.SSHD.Stop(t.Context()))
		must(t, r.StartSSHD(t.Context()))
	}
	auth := func(line string) string {
		return `cp -a /etc/pam.d /etc/pam.d.before; sed -i '1i ` + line + `' /etc/pam.d/sshd /etc/pam.d/su /etc/pam.d/login`
	}
	back := `rm -rf /etc/pam.d; mv /etc/pam.d.before /etc/pam.d; sed -i '/^ada - maxlogins/d' /etc/security/limits.conf`
	for rule, c := range map[string]struct{ close, open string }{
		"Match User in sshd_config": {
			`printf 'Match User ada\n ForceCommand /bin/false\n' > /etc/ssh/sshd_config.d/zz.conf`, `rm /etc/ssh/sshd_config.d/zz.conf`,
		},
		"DenyUsers in sshd_config":      {`echo DenyUsers ada > /etc/ssh/sshd_config.d/00.conf`, `rm /etc/ssh/sshd_config.d/00.conf`},
		"AllowUsers in sshd_config":     {`echo AllowUsers local > /etc/ssh/sshd_config.d/00.conf`, `rm /etc/ssh/sshd_config.d/00.conf`},
		"pam_listfile":                  {`echo ada > /etc/denied; ` + auth("account requisite pam_listfile.so item=user sense=deny file=/etc/denied onerr=fail"), back},
		"pam_access":                    {`echo '-:ada:ALL' >> /etc/security/access.conf; ` + auth("account requisite pam_access.so"), back},
		"pam_succeed_if":                {auth("account requisite pam_succeed_if.so user != ada quiet"), back},
		"limits.conf (no login at all)": {`echo 'ada - maxlogins 0' >> /etc/security/limits.conf; ` + auth("session required pam_limits.so"), back},
	} {
		t.Run(rule, func(t *testing.T) {
			script(t, r, c.close)
			restart(t)
			for _, name := range append([]string{ada}, spellings...) {
				keepsOut(t, byKey(r, name))
			}
			script(t, r, c.open)
			restart(t)
		})
	}
	lets(t, byKey(r, ada), ada)
}

// These programs look the name up first and go on with the record's own, so a rule for
// ada holds whatever was typed.
// Promise 18.
func TestProgramsThatLookANameUpGoOnWithItsOwn(t *testing.T) {
	r := joined(t)
	lets(t, byKey(r, ada), ada)
	for _, name := range spellings {
		t.Run(name, func(t *testing.T) {
			lets(t, ways(r, name, adaPass)["su"], ada)
			if out := script(t, r, "sudo -u '"+name+"' sh -c 'echo $USER $SUDO_USER'; setpriv --reuid='"+name+"' --clear-groups id -un"); out != "ada root\nada\n" {
				t.Errorf("sudo -u and setpriv are %q", out)
			}
			script(t, r, "echo '-:ada:ALL' > /etc/security/access.conf; cp /etc/pam.d/su /root/su.before; sed -i '1i account requisite pam_access.so' /etc/pam.d/su")
			keepsOut(t, ways(r, name, adaPass)["su"])
			script(t, r, "mv /root/su.before /etc/pam.d/su")
		})
	}
}
