package test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A strength-gated group is given to the session and not to the user manager, which all
// sessions of an account share: whoever came in by a key alone could have it start
// programs. GNOME starts its programs there.
// Promise attack-person-gated, gated-session-only.
func TestAGatedGroupIsNotTheUserManagers(t *testing.T) {
	b := settled(t)
	in(t, b, `
		D="--dir /var/lib/sallyport-server"
		sallyport-server group add vault --demands totp --earned $D; sallyport-server group add-member vault ada $D
		ssh-keygen -q -t ed25519 -N '' -f /root/key; sallyport-server account add-key ada --tag laptop $D < /root/key.pub
		install -d -m 0755 /run/sshd; systemctl start ssh
		printf '#!/bin/sh\ncat /root/answer\n' > /root/ask; chmod 700 /root/ask`)
	must(t, b.Eventually(t.Context(), func() error {
		_, err := b.In(t.Context(), "getent group vault && sallyport-keys ada | grep -q ssh-ed25519")
		return err
	}))
	var out struct {
		URL string `json:"otpauth_url"`
	}
	must(t, json.Unmarshal([]byte(in(t, b, "sallyport-server account add-totp ada --generate --json --dir /var/lib/sallyport-server")), &out))
	u, err := url.Parse(out.URL)
	must(t, err)
	phone := &authenticator{secret: u.Query().Get("secret"), used: map[string]bool{}}

	// A unit of her own: systemd-run(1) of systemd 257 needs a message bus as well.
	in(t, b, `
		d=$(getent passwd ada | cut -d: -f6)/.config/systemd/user
		install -d -o ada -g ada "$(dirname "$(dirname "$(dirname "$d")")")"; install -d "$d"
		printf '[Service]\nType=oneshot\nExecStart=/bin/sh -c "id -Gn > %%t/groups"\n' > "$d/groups.service"`)
	const look = `'id -Gn; echo --; systemctl --user start groups; cat $XDG_RUNTIME_DIR/groups'`
	const ssh = `ssh -F none -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null `
	groups := func(t *testing.T, how string) (session, service []string) {
		t.Helper()
		parts := strings.Split(in(t, b, how), "--\n")
		if len(parts) != 2 {
			t.Fatalf("%s printed %q", how, parts)
		}
		return strings.Fields(parts[0]), strings.Fields(parts[1])
	}
	strong := func() string {
		return "echo '" + adaPass + phone.code(t) + "' > /root/answer; SSH_ASKPASS=/root/ask SSH_ASKPASS_REQUIRE=force " + ssh +
			"-o PreferredAuthentications=password ada@127.0.0.1 " + look
	}
	weak := ssh + "-i /root/key -o PreferredAuthentications=publickey ada@127.0.0.1 " + look

	session, service := groups(t, strong())
	if !slices.Contains(session, "vault") {
		t.Errorf("a session with a code has %q", session)
	}
	if slices.Contains(service, "vault") {
		t.Errorf("the user manager starts a program with %q", service)
	}
	session, service = groups(t, weak)
	if slices.Contains(session, "vault") || slices.Contains(service, "vault") {
		t.Errorf("a session by key has %q, %q", session, service)
	}
	if !slices.Contains(service, "crew") {
		t.Errorf("the user manager has not even %q", service)
	}
}

// What docs/factors.md says of set-group-ID programs is so, and nosuid helps.
// Promise attack-person-gated, gated-session-only.
func TestNosuidEndsAGatedGroupWithItsSession(t *testing.T) {
	r := vaulted(t)
	phone := enrol(t, r)
	o, err := r.TalkAs(t.Context(), local, []string{"assword: ", adaPass, "One-time code: ", phone.code(t)},
		"su - ada -c 'cp /usr/bin/id /var/tmp/kept; chgrp vault /var/tmp/kept; chmod g+s /var/tmp/kept; ls -l /var/tmp/kept'")
	must(t, err)
	if !o.OK() {
		t.Fatal(o.Screen)
	}
	weak := func() string { return script(t, r, "su - ada -c '/var/tmp/kept -gn'") }
	if s := weak(); !strings.Contains(s, "vault") {
		t.Errorf("without nosuid a later session's program has the group %q; then docs/factors.md and doctor say too much", s)
	}
	if out, _ := r.Run(t.Context(), "/usr/bin/sallyport", "doctor"); !strings.Contains(out, "can keep it for weaker sessions by a set-group-ID program in /home, ") {
		t.Errorf("doctor says:\n%s", out)
	}
	script(t, r, "mount --bind /var/tmp /var/tmp; mount -o remount,bind,nosuid /var/tmp")
	if s := weak(); strings.Contains(s, "vault") {
		t.Errorf("with nosuid it has the group %q", s)
	}
}
