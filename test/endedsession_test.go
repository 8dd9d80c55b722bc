package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// granted is a machine that ada logs in to from itself, by grants.
type granted struct {
	*machine.Booted
	t *testing.T
}

const serverDir = " --dir /var/lib/sallyport-server"

// logsIn runs "sallyport ssh" as ada in the background, with its output in the file; she is
// there once it says "in".
func (g granted) logsIn(file, words string) {
	g.t.Helper()
	in(g.t, g.Booted, fmt.Sprintf("systemd-run -q --unit=%s --uid=ada -p StandardOutput=file:/tmp/%s -p StandardError=file:/tmp/%s sallyport ssh %s", file, file, file, words))
	must(g.t, g.Eventually(g.t.Context(), func() error {
		_, err := g.In(g.t.Context(), "grep -q '^in' /tmp/"+file+" || { cat /tmp/"+file+"; systemctl status "+file+"; false; }")
		return err
	}))
}

// withdraws ends the grant that is open.
func (g granted) withdraws() {
	g.t.Helper()
	var list struct {
		Requests []struct{ ID, State string }
	}
	must(g.t, json.Unmarshal([]byte(in(g.t, g.Booted, "sallyport-server request list --state used --json"+serverDir)), &list))
	if len(list.Requests) != 1 {
		g.t.Fatalf("%d grants are in use", len(list.Requests))
	}
	in(g.t, g.Booted, "sallyport-server request end "+list.Requests[0].ID+" --reason 'the incident of today'"+serverDir)
}

// runs are the marks of those processes of ada's that run.
func (g granted) runs() string {
	g.t.Helper()
	return strings.Join(strings.Fields(in(g.t, g.Booted, "pgrep -a -u ada sleep | sed 's/.*sleep //' | sort")), " ")
}

func (g granted) until(want string) {
	g.t.Helper()
	must(g.t, g.Eventually(g.t.Context(), func() error {
		if got := g.runs(); got != want {
			return fmt.Errorf("%q run, want %q", got, want)
		}
		return nil
	}))
}

// Promise session-ended, session-told, certificate-earns.
func TestSessionsGoOnOrEndWithTheirGrantAsTheRuleSays(t *testing.T) {
	g := granted{settled(t), t}
	in(t, g.Booted, `
		sallyport-server keys rotate-ssh`+serverDir+`
		sallyport-server machine set laptop --host-names laptop.example.org --addresses 192.0.2.10`+serverDir+`
		ip addr add 192.0.2.10/32 dev lo; echo '192.0.2.10 laptop laptop.example.org' >> /etc/hosts
		sallyport-server rule add own --who crew --effect grant --sessions tell`+serverDir+`
		sallyport-server group add vault --demands password --earned`+serverDir+`; sallyport-server group add-member vault ada`+serverDir+`
		install -d -m 0755 /run/sshd; systemctl start ssh; systemctl restart sallyportd`)
	must(t, g.Eventually(t.Context(), func() error {
		_, err := g.In(t.Context(), "ls /var/lib/sallyport/ssh/*-cert.pub")
		return err
	}))
	in(t, g.Booted, `
		printf '#!/bin/sh\ncat /root/answer\n' > /root/ask; chmod 700 /root/ask; echo '`+adaPass+`' > /root/answer
		systemd-run -q --unit=own -E SSH_ASKPASS=/root/ask -E SSH_ASKPASS_REQUIRE=force ssh -o StrictHostKeyChecking=no -o PreferredAuthentications=password ada@127.0.0.1 'sleep 9001'`)
	g.until("9001")

	g.logsIn("told", `-tt laptop 'echo in $(id -Gn); sleep 1001'`)
	g.withdraws()
	must(t, g.Eventually(t.Context(), func() error {
		_, err := g.In(t.Context(), "grep -q 'was withdrawn. The session goes on' /tmp/told || { cat /tmp/told; journalctl -u sallyport-sessions --no-pager | tail; false; }")
		return err
	}))
	if got := g.runs(); got != "1001 9001" {
		t.Errorf("%q run after some were told", got)
	}

	in(t, g.Booted, "sallyport-server rule remove own"+serverDir+"; sallyport-server rule add own --who crew --effect grant --sessions end --earn"+serverDir)
	g.logsIn("terminal", `-tt laptop 'trap "" TERM HUP; (setsid sleep 2002 &); echo in; sleep 2001'`)
	g.logsIn("command", `laptop 'echo in $(id -Gn); sleep 2003'`)
	// One that runs no command is a session too.
	in(t, g.Booted, "systemd-run -q --unit=forward --uid=ada sallyport ssh -N laptop")
	g.until("1001 2001 2002 2003 9001")
	must(t, g.Eventually(t.Context(), func() error {
		_, err := g.In(t.Context(), "s=$(cat /var/lib/sallyport/sessions); echo \"$s\"; [ $(echo \"$s\" | grep -o '\"pid\"' | wc -l) = 4 ]")
		return err
	}))
	// A certificate earns a group that demands a password, where the rule says so.
	if told, ended := in(t, g.Booted, "cat /tmp/told"), in(t, g.Booted, "cat /tmp/command"); strings.Contains(told, "vault") || !strings.Contains(ended, "vault") {
		t.Errorf("in the vault are not those of the second rule alone:\n%s\n%s", told, ended)
	}
	// What is written down outlives the daemon.
	in(t, g.Booted, "systemctl restart sallyportd")
	g.withdraws()
	g.until("1001 9001")
	must(t, g.Eventually(t.Context(), func() error {
		_, err := g.In(t.Context(), "! systemctl is-active forward && [ \"$(grep -o '\"pid\"' /var/lib/sallyport/sessions | wc -l)\" = 1 ]")
		return err
	}))
	if out := in(t, g.Booted, "cat /tmp/terminal"); !strings.Contains(out, "the session ends now") {
		t.Errorf("who is put out is not told:\n%s", out)
	}
	if n := strings.TrimSpace(in(t, g.Booted, "grep -c 'goes on' /tmp/told")); n != "1" {
		t.Errorf("it is told %s times", n)
	}
	// A killed sshd closes no session; the daemon sees that it is gone.
	in(t, g.Booted, `kill -KILL $(sed 's/.*"pid":\([0-9]*\).*/\1/' /var/lib/sallyport/sessions)`)
	must(t, g.Eventually(t.Context(), func() error {
		_, err := g.In(t.Context(), "! grep '\"pid\"' /var/lib/sallyport/sessions")
		return err
	}))
}
