package test

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/server/sshagent"
	"github.com/sallyport-auth/sallyport/test/machine"
)

// caToken makes a PKCS#11 token with a key for people's certificates and one for hosts', and
// their public halves.
const caToken = `mkdir -p /root/tokens; echo "directories.tokendir = /root/tokens" > /root/softhsm2.conf
export SOFTHSM2_CONF=/root/softhsm2.conf
module=/usr/lib/softhsm/libsofthsm2.so
softhsm2-util --init-token --free --label realm --pin 1234 --so-pin 5678
pkcs11-tool --module $module --token-label realm --login --pin 1234 --keypairgen --key-type EC:prime256v1 --label users --id 01 --usage-sign
pkcs11-tool --module $module --token-label realm --login --pin 1234 --keypairgen --key-type rsa:3072 --label hosts --id 02 --usage-sign
printf '#!/bin/sh\necho 1234\n' > /root/pin; chmod 0700 /root/pin
ssh-keygen -D $module | sed -n '/ users$/p' > /root/users.pub
ssh-keygen -D $module | sed -n '/ hosts$/p' > /root/hosts.pub
`

// loaded has the agent use the token.
const loaded = `SSH_AUTH_SOCK=` + sshagent.DefaultSocket + ` SSH_ASKPASS=/root/pin SSH_ASKPASS_REQUIRE=force ssh-add -s /usr/lib/softhsm/libsofthsm2.so`

// agent starts the server's ssh-agent, which has no keys yet.
func (n *hosts) agent(t *testing.T) *machine.Process {
	t.Helper()
	script(t, n.Realm, "mkdir -p $(dirname "+sshagent.DefaultSocket+"); rm -f "+sshagent.DefaultSocket)
	p, err := n.Start(t.Context(), "/usr/bin/env", "SOFTHSM2_CONF=/root/softhsm2.conf", "ssh-agent", "-D", "-a", sshagent.DefaultSocket)
	must(t, err)
	t.Cleanup(func() { _ = p.Stop(context.WithoutCancel(t.Context())) })
	must(t, n.Eventually(t.Context(), func() error {
		_, err := n.Script(t.Context(), "test -S "+sshagent.DefaultSocket)
		return err
	}))
	return p
}

// Promise ca-agent, ca-agent-away.
func TestAKeyOfATokenOpensWhatWasGrantedAlone(t *testing.T) {
	n := network(t, "target", "other")
	admin(t, n.Realm, "", "rule", "add", "login", "--who", "admins", "--machines", "target", "--role", "login", "--effect", "grant")
	script(t, n.Realm, caToken)
	agent := n.agent(t)
	script(t, n.Realm, loaded)
	admin(t, n.Realm, "", "keys", "rotate-ssh", "--users-key", "/root/users.pub", "--hosts-key", "/root/hosts.pub", "--emergency")
	for file, use := range map[string]string{"users": "ssh users", "hosts": "ssh hosts"} {
		key := strings.Join(strings.Fields(script(t, n.Realm, "cat /root/"+file+".pub"))[:2], " ")
		if shown := admin(t, n.Realm, "", "keys", "show"); !strings.Contains(shown, key) || strings.Count(shown, use) != 1 || !strings.Contains(shown, "has the keys, and signs") {
			t.Errorf("%s is not the key of %s:\n%s", key, use, shown)
		}
	}
	n.certified(t)
	n.in(t, n.hops(t, "target "+machine.WhereWho), "target")
	n.granted(t, agent)
}

// certified: once a host has heard of the keys it has a certificate of the token's RSA key, as ssh-keygen reads it.
func (n *hosts) certified(t *testing.T) {
	t.Helper()
	by := strings.Fields(script(t, n.Realm, "ssh-keygen -lf /root/hosts.pub"))[1]
	must(t, n.Eventually(t.Context(), func() error {
		_, err := n.Hosts["target"].Script(t.Context(), "for c in /var/lib/sallyport/ssh/*-cert.pub; do ssh-keygen -L -f $c; done | grep -F 'Signing CA: RSA "+by+" (using rsa-sha2-512)'")
		return err
	}))
}

// granted: what was granted goes on without the agent, at its own machine alone; nothing new
// is, and it is said why.
func (n *hosts) granted(t *testing.T, agent *machine.Process) {
	done := make(chan machine.Outcome, 1)
	go func() {
		o, err := n.TalkAs(t.Context(), ada, nil, strings.ReplaceAll(kept, "-J bastion target", "target")+`
ssh-keygen -L -f $d/hop1-cert.pub | grep -F 'Signing CA: ECDSA'
way "at another host" ssh -o BatchMode=yes -F none $own -o CertificateFile=$d/hop1-cert.pub other true
touch /tmp/begun; until [ -e /tmp/gone ]; do sleep 0.1; done
way "what was granted before" ssh -o BatchMode=yes -F $d/config target true
kill -0 $held && echo "the session goes on"`)
		if err != nil {
			o.Screen += err.Error()
		}
		done <- o
	}()
	must(t, n.Eventually(t.Context(), func() error {
		_, err := n.Script(t.Context(), "test -e /tmp/begun")
		return err
	}))
	must(t, agent.Stop(t.Context()))
	refused := func(why string) {
		t.Helper()
		o := n.hops(t, "target "+machine.WhereWho)
		n.out(t, o)
		if !strings.Contains(o.Screen, "ssh-agent that keeps its key does not") {
			t.Errorf("it is not said why:\n%s", o.Screen)
		}
		if shown := admin(t, n.Realm, "", "keys", "show"); !strings.Contains(shown, "problem: ") || !strings.Contains(shown, why) {
			t.Errorf("the administrator is not told %q:\n%s", why, shown)
		}
		if log := n.Server.Output.String(); !strings.Contains(log, why) {
			t.Errorf("the server's log does not say %q:\n%s", why, log)
		}
	}
	refused("does not answer")
	n.agent(t)
	script(t, n.Realm, `ssh-keygen -q -t ecdsa -N '' -f /root/stranger; SSH_AUTH_SOCK=`+sshagent.DefaultSocket+` ssh-add -q /root/stranger`)
	refused("does not have the key")
	script(t, n.Realm, "touch /tmp/gone")
	if o := <-done; strings.Count(o.Screen, ": through") != 2 || !strings.Contains(o.Screen, "at another host: refused") ||
		!strings.Contains(o.Screen, "what was granted before: through") || !strings.Contains(o.Screen, "Signing CA: ECDSA") || !strings.Contains(o.Screen, "the session goes on") {
		t.Errorf("what was granted before:\n%s", o.Screen)
	}
	script(t, n.Realm, loaded)
	n.in(t, n.hops(t, "target "+machine.WhereWho), "target")
}
