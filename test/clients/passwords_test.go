package clients

import (
	"fmt"
	"testing"
)

// A program of this table has one field for a name and one for a password.
type program struct {
	wants

	// login is a command of curl that ends well where the program lets $WHO in by $WORD.
	login string
	// localToo: it can check local accounts, which takes root or the group shadow.
	localToo bool
	// remembers: it lets in again for a second without asking.
	remembers bool
}

const (
	webPage = "nginx shows a page to people who have an account"
	mail    = "dovecot gives people their mail"
)

// programs are keyed by what the person who uses them expects.
func programs() map[string]program {
	return map[string]program{
		webPage: {
			wants: wants{
				units:    []string{"nginx"},
				settings: "[service.nginx]\ntrusted_users = [\"www-data\"]",
				files: map[string]string{
					"/etc/pam.d/nginx":                "@include common-auth\n@include common-account\n",
					"/var/www/html/index.html":        "the page\n",
					"/etc/nginx/sites-enabled/ourown": "server { listen 127.0.0.1:8081; root /var/www/html; auth_pam page; auth_pam_service_name nginx; }\n",
				},
			},
			login: `curl -fsS -u "$WHO:$WORD" http://127.0.0.1:8081/index.html | grep -x "the page"`,
		},
		mail: {
			wants:    wants{units: []string{"dovecot"}},
			login:    `su -l "$WHO" -c true || true; curl -fsS -u "$WHO:$WORD" imap://127.0.0.1/ | grep INBOX`,
			localToo: true,
		},
		"vsftpd gives people their home, and nothing above it": {
			wants: wants{
				units: []string{"vsftpd"},
				files: map[string]string{"/etc/vsftpd.conf": "listen=YES\nlocal_enable=YES\nchroot_local_user=YES\nallow_writeable_chroot=YES\n" +
					"pam_service_name=vsftpd\nsecure_chroot_dir=/var/run/vsftpd/empty\nsession_support=YES\n"},
			},
			login: `su -l "$WHO" -c "touch mine" || true
				out=$(curl -sS -u "$WHO:$WORD" ftp://127.0.0.1/ ftp://127.0.0.1//etc/ 2>&1) || true
				echo "$out" | grep mine && ! echo "$out" | grep passwd`,
			localToo: true,
		},
		// Its helper, which runs as a user of its own, asks with one PAM handle for many names.
		"squid lets people out": {
			wants: wants{
				units:    []string{"nginx", "squid"},
				settings: "[service.squid]\ntrusted_users = [\"proxy\"]",
				files: map[string]string{
					"/etc/pam.d/squid":         "@include common-auth\n@include common-account\n",
					"/var/www/html/index.html": "the page\n",
					"/etc/squid/squid.conf": "http_port 127.0.0.1:3128\ncache deny all\nauth_param basic program /usr/lib/squid/basic_pam_auth\n" +
						"auth_param basic children 2\nauth_param basic credentialsttl 1 second\nacl people proxy_auth REQUIRED\n" +
						"http_access allow people\nhttp_access deny all\n",
				},
			},
			login:     `curl -fsS -x http://127.0.0.1:3128 -U "$WHO:$WORD" http://127.0.0.1/index.html | grep -x "the page"`,
			remembers: true,
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

// as runs the program's login, and tells whether it let somebody in.
func (p *program) as(h *host, who, word string) (string, bool) {
	h.t.Helper()
	out, err := h.In(h.t.Context(), "WHO='"+who+"' WORD='"+word+"'\n"+p.login)
	return out, err == nil
}

func (p *program) enters(h *host, who, word string) {
	h.t.Helper()
	if out, in := p.as(h, who, word); !in {
		h.t.Errorf("%s is not in by %q:\n%s", who, word, out)
	}
}

func (p *program) refuses(h *host, who, word string) {
	h.t.Helper()
	h.until(func() error {
		out, in := p.as(h, who, word)
		if in && p.remembers {
			return fmt.Errorf("%s is in by %q still:\n%s", who, word, out)
		}
		if in {
			h.t.Errorf("%s is in by %q:\n%s", who, word, out)
		}
		return nil
	})
}

// Promise clients-passwords.
func TestProgramsWithANameAndAPassword(t *testing.T) {
	for expects, p := range programs() {
		t.Run(expects, func(t *testing.T) {
			h := joined(t, p.wants)
			h.scene("a wrong password, and the right one", func() {
				p.refuses(h, ada, "not her password")
				p.enters(h, ada, adaPass)
			})
			h.scene("somebody whom nobody knows", func() { p.refuses(h, "nobodyhere", adaPass) })
			h.scene("a code behind the password, once", func() {
				p.refuses(h, carol, carolPas)
				word := carolPas + h.code()
				p.enters(h, carol, word)
				p.refuses(h, carol, word)
			})
			if p.localToo {
				h.scene("a local account", func() { p.enters(h, lena, lenaPass) })
			}
			h.scene("offline", func() {
				h.offline()
				p.refuses(h, ada, "not her password")
				p.enters(h, ada, adaPass)
				p.enters(h, carol, carolPas+h.code())
			})
			h.scene("the daemon is stopped", func() {
				h.in("systemctl stop sallyportd.socket sallyportd")
				p.refuses(h, ada, adaPass)
				if p.localToo {
					p.enters(h, lena, lenaPass)
				}
			})
		})
	}
}

// What is guessed at a web server shuts nobody out of the machine.
// Promise clients-passwords.
func TestGuessesAtAWebServerLockThatAlone(t *testing.T) {
	p := programs()[webPage]
	h := joined(t, p.wants)
	p.enters(h, ada, adaPass)
	for range 6 {
		p.refuses(h, ada, "a guess")
	}
	p.refuses(h, ada, adaPass)
	h.in("echo '" + adaPass + "' | sallyport auth-test " + ada + " --service login")
	p.refuses(h, ada, adaPass)
}
