package test

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// One network for both: a host takes some seconds.
// Promise request-through, stored-keys.
func TestOnlyTheWaysThatAnAdministratorLeavesAreOpen(t *testing.T) {
	n := network(t, "outer", "inner", "target")
	t.Run("a series of bastions", n.series)
	t.Run("certificates only", n.certificatesOnly)
}

func (n *hosts) series(t *testing.T) {
	rule := func(name string, words ...string) {
		t.Helper()
		admin(t, n.Realm, "", append([]string{"rule", "add", name, "--who", "admins", "--machines", name, "--effect", "grant"}, words...)...)
	}
	rule("outer", "--role", "pass")
	rule("inner", "--through", "outer")
	rule("target", "--through", "inner")
	admin(t, n.Realm, "", "rule", "add", "everything", "--effect", "grant")
	n.in(t, n.hops(t, "-J outer,inner target "+machine.WhereWho), "target")
	for words, why := range map[string]string{
		"target " + machine.WhereWho:                "target only through inner: sallyport ssh -J inner target",
		"-J outer target " + machine.WhereWho:       "target only through inner",
		"-J inner target " + machine.WhereWho:       "inner only through outer: sallyport ssh -J outer,inner target",
		"-J inner,outer target " + machine.WhereWho: "inner only through outer",
		"inner " + machine.WhereWho:                 "inner only through outer",
	} {
		o := n.hops(t, words)
		n.out(t, o)
		if !strings.Contains(o.Screen, why) {
			t.Errorf("%s: it does not say %q:\n%s", words, why, o.Screen)
		}
	}
	// With what was granted for the series no step of it is left out.
	o, err := n.TalkAs(t.Context(), ada, nil, "set -e; "+strings.ReplaceAll(kept, "-J bastion target", "-J outer,inner target")+`
way "target directly" ssh -o BatchMode=yes -F $d/config -o ProxyJump=none target true
way "target through outer" ssh -o BatchMode=yes -F $d/config -o ProxyJump=outer target true
way "inner directly" ssh -o BatchMode=yes -F $d/config -W target:22 -o ProxyJump=none inner
way "target from outer" ssh -o BatchMode=yes -F $d/config -W target:22 outer`)
	must(t, err)
	if !strings.Contains(o.Screen, "the chain itself: through") || strings.Count(o.Screen, ": through") != 1 || strings.Count(o.Screen, ": refused") != 4 {
		t.Errorf("another way is open:\n%s", o.Screen)
	}
}

func (n *hosts) certificatesOnly(t *testing.T) {
	target := n.Hosts["target"]
	key := func(ctx context.Context) (machine.Outcome, error) {
		out, err := n.Script(ctx, `ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -o IdentitiesOnly=yes \
			-i `+adaKey+` `+ada+`@target 'echo "I am $(id -un) with $(id -Gn)"' 2>&1 || echo "exit code $?"`)
		o := machine.Outcome{Screen: out}
		if strings.Contains(out, "exit code ") {
			o.Code = 1
		}
		return o, err
	}
	changes := func(in bool) {
		t.Helper()
		must(t, n.Eventually(t.Context(), func() error {
			o, err := key(t.Context())
			if err == nil && o.OK() != in {
				err = errUnchanged
			}
			return err
		}))
	}
	lets(t, key, ada)
	admin(t, n.Realm, "", "realm", "set", "--stored-keys", "refuse")
	changes(false)
	n.in(t, n.hops(t, "-J outer,inner target "+machine.WhereWho), "target")
	if says := script(t, target, "sallyport explain "+ada); !strings.Contains(says, "not accepted here") || !strings.Contains(says, `log in with "sallyport ssh"`) {
		t.Errorf("explain does not say why:\n%s", says)
	}
	if says := script(t, target, "sallyport status || true"); !strings.Contains(says, "sallyport ssh target") {
		t.Errorf("status does not say what to do:\n%s", says)
	}
	if says := script(t, target, "sallyport doctor || true"); !strings.Contains(says, "authorized_keys are read by sshd") {
		t.Errorf("doctor does not say what is open all the same:\n%s", says)
	}
	must(t, n.Server.Stop(t.Context()))
	keepsOut(t, key)
	must(t, target.Daemon.Stop(t.Context()))
	must(t, target.StartDaemon(t.Context()))
	must(t, target.Eventually(t.Context(), func() error {
		_, err := target.Script(t.Context(), "getent passwd "+ada)
		return err
	}))
	keepsOut(t, key)
	must(t, n.StartServer(t.Context()))
	admin(t, n.Realm, "", "machine", "set", "target", "--stored-keys", "accept")
	changes(true)
	admin(t, n.Realm, "", "machine", "set", "target", "--stored-keys", "realm")
	changes(false)
	// People's own files are sshd's, until an administrator closes them.
	script(t, target, "install -d -m 0700 -o "+ada+" ~"+ada+"/.ssh && install -m 0600 -o "+ada+" /dev/stdin ~"+ada+"/.ssh/authorized_keys <<'E'\n"+script(t, n.Realm, "cat "+adaKey+".pub")+"E\n")
	lets(t, key, ada)
	script(t, target, "printf 'Match Group admins\\n    AuthorizedKeysFile none\\n' >> /etc/ssh/sshd_config; kill -HUP $(cat /run/sshd.pid)")
	changes(false)
}
