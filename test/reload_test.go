package test

import (
	"strings"
	"testing"
)

// What an administrator expects of "systemctl reload": settings and files of now, the same
// process and sockets, and nothing lost where what is new is wrong.
// Promise reload.
// Promise clients-renewed.
func TestAReloadReadsSettingsAndFilesAnew(t *testing.T) {
	b := bootedAndJoined(t)
	in(t, b, "systemctl start sallyportd.socket sallyportd")
	signsIn := func(t *testing.T) {
		t.Helper()
		must(t, b.Eventually(t.Context(), func() error {
			_, err := b.In(t.Context(), `sallyport status --json | grep -q '"state": "online"' && echo '`+adaPass+`' | sallyport auth-test ada --service login`)
			return err
		}))
	}
	signsIn(t)
	const settings, who = "/etc/sallyport/sallyportd.toml", "systemctl show sallyportd -p MainPID,NRestarts,ActiveState; stat -c %i /run/sallyport/*.sock"
	before := in(t, b, who)
	same := func(t *testing.T) {
		t.Helper()
		if now := in(t, b, who); now != before {
			t.Errorf("process and sockets were\n%sand are\n%s", before, now)
		}
	}
	t.Run("a setting that is changed counts from then on", func(t *testing.T) {
		in(t, b, "cp "+settings+" /root/before; printf '[service.login]\nfactors = [\"piv\"]\n' >> "+settings)
		signsIn(t)
		in(t, b, "systemctl reload sallyportd")
		must(t, b.Eventually(t.Context(), func() error {
			_, err := b.In(t.Context(), "! echo '"+adaPass+"' | sallyport auth-test ada --service login")
			return err
		}))
		same(t)
		in(t, b, "cp /root/before "+settings+"; systemctl reload sallyportd")
		signsIn(t)
		same(t)
	})
	for name, c := range map[string]struct{ spoil, want string }{
		"a mistyped setting":              {"echo '[offlin]' >> " + settings, "unknown key"},
		"a certificate that is none":      {"echo nonsense > /etc/sallyport/$(cd /etc/sallyport; ls *.pem *.crt 2>/dev/null | head -n 1)", "neither a realm key nor a root certificate in PEM"},
		"a machine key that is not there": {"mv /var/lib/sallyport/machine.key /root/", "machine's key"},
	} {
		t.Run(name+" is refused, and what was holds", func(t *testing.T) {
			in(t, b, "rm -rf /root/kept; cp -a /etc/sallyport /root/kept; "+c.spoil)
			out, err := b.In(t.Context(), "systemctl reload sallyportd")
			if err == nil {
				t.Errorf("the reload says nothing: %s", out)
			}
			if log := in(t, b, "journalctl -b -u sallyportd --no-pager -o cat | tail -n 5"); !strings.Contains(log, c.want) {
				t.Errorf("the journal says nothing of %q:\n%s", c.want, log)
			}
			signsIn(t)
			same(t)
			in(t, b, "cp -a /root/kept/. /etc/sallyport/; test ! -e /root/machine.key || mv /root/machine.key /var/lib/sallyport/; systemctl reload sallyportd")
			signsIn(t)
		})
	}
	t.Run("a hangup from elsewhere does not spoil it either", func(t *testing.T) {
		in(t, b, "echo '[offlin]' >> "+settings+"; kill -HUP $(pidof sallyportd)")
		must(t, b.Eventually(t.Context(), func() error {
			_, err := b.In(t.Context(), "journalctl -b -u sallyportd --no-pager -o cat | grep 'the old ones hold'")
			return err
		}))
		signsIn(t)
		same(t)
	})
}
