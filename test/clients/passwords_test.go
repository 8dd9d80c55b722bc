package clients

import (
	"strings"
	"testing"
)

// A program of this table has one field for a name and one for a password.
type program struct {
	wants

	// login is a command of curl that ends well where the program lets $WHO in by $WORD.
	login string
	// localToo: it can check local accounts, which takes root or the group shadow.
	localToo bool
}

// programs are keyed by what the person who uses them expects.
func programs() map[string]program {
	return map[string]program{
		"nginx shows a page to who has an account": {
			wants: wants{
				units:    []string{"nginx"},
				settings: "[service.nginx]\ntrusted_users = [\"www-data\"]",
				files: map[string]string{
					"/etc/pam.d/nginx":                "@include common-auth\n@include common-account\n",
					"/var/www/html/index.html":        "the page\n",
					"/etc/nginx/sites-enabled/ourown": "server { listen 127.0.0.1:8081; root /var/www/html; auth_pam page; auth_pam_service_name nginx; }\n",
				},
			},
			login: `curl -fsS -u "$WHO:$WORD" http://127.0.0.1:8081/ | grep -x "the page"`,
		},
		"dovecot gives people their mail": {
			wants:    wants{units: []string{"dovecot"}},
			login:    `su -l "$WHO" -c true; curl -fsS -u "$WHO:$WORD" imap://127.0.0.1/ | grep INBOX`,
			localToo: true,
		},
		"vsftpd gives people their home, and nothing above it": {
			wants: wants{
				units: []string{"vsftpd"},
				files: map[string]string{"/etc/vsftpd.conf": "listen=YES\nlocal_enable=YES\nchroot_local_user=YES\nallow_writeable_chroot=YES\n" +
					"pam_service_name=vsftpd\nsecure_chroot_dir=/var/run/vsftpd/empty\nsession_support=YES\n"},
			},
			login:    `su -l "$WHO" -c "touch mine"; curl -fsS -u "$WHO:$WORD" ftp://127.0.0.1/ | grep mine && ! curl -fsS -u "$WHO:$WORD" ftp://127.0.0.1//etc/passwd`,
			localToo: true,
		},
		"cockpit lets people administer the machine": {
			wants: wants{
				units: []string{"cockpit.socket"},
				files: map[string]string{"/etc/cockpit/cockpit.conf": "[WebService]\nAllowUnencrypted = true\n"},
			},
			login:    `curl -fsS -u "$WHO:$WORD" http://127.0.0.1:9090/cockpit/login | grep csrf-token`,
			localToo: true,
		},
	}
}

func TestProgramsWithANameAndAPassword(t *testing.T) {
	for expects, p := range programs() {
		t.Run(expects, func(t *testing.T) {
			h := joined(t, p.wants)
			enters := func(who, word string) {
				h.t.Helper()
				h.in("WHO='" + who + "' WORD='" + word + "'\n" + p.login)
			}
			staysOut := func(who, word string) {
				h.t.Helper()
				if out, err := h.In(t.Context(), "WHO='"+who+"' WORD='"+word+"'\n"+p.login); err == nil {
					h.t.Errorf("%s is in by %q:\n%s", who, word, out)
				}
			}
			scene := func(name string, play func()) { h.run(name, func(*testing.T) { play() }) }
			scene("a wrong password, and the right one", func() {
				staysOut(ada, "not her password")
				enters(ada, adaPass)
			})
			scene("somebody whom nobody knows", func() { staysOut("nobodyhere", adaPass) })
			scene("a code behind the password, once", func() {
				staysOut(carol, carolPas)
				word := carolPas + h.code()
				enters(carol, word)
				if !strings.Contains(p.login, "curl") || strings.Count(p.login, "curl") == 1 {
					staysOut(carol, word)
				}
			})
			if p.localToo {
				scene("a local account", func() { enters(lena, lenaPass) })
			}
			scene("offline", func() {
				h.offline()
				staysOut(ada, "not her password")
				enters(ada, adaPass)
				enters(carol, carolPas+h.code())
			})
			scene("the daemon is stopped", func() {
				h.in("systemctl stop sallyportd.socket sallyportd")
				staysOut(ada, adaPass)
				if p.localToo {
					enters(lena, lenaPass)
				}
			})
		})
	}
}
