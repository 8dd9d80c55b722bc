package test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// One network for all: a host takes some seconds.
// Promise hop-login, hop-chain, hop-approval, hop-host, hop-ended, hop-waiting, hop-certificate.
func TestAKeyForOneTimeIsGoodForWhatWasGrantedAlone(t *testing.T) {
	n := network(t, "bastion", "target", "other")
	admin(t, n.Realm, "", "rule", "add", "through", "--who", "admins", "--machines", "bastion", "--role", "pass", "--effect", "grant")
	admin(t, n.Realm, "", "rule", "add", "login", "--who", "admins", "--machines", "target", "--role", "login", "--effect", "grant")
	admin(t, n.Realm, "", "group", "add", "approvers")
	admin(t, n.Realm, "", "group", "add-member", "approvers", "bob")
	admin(t, n.Realm, "", "rule", "add", "withdrawn", "--who", "admins", "--machines", "other", "--role", "withdrawn", "--effect", "approve", "--approvers", "approvers")
	admin(t, n.Realm, "", "rule", "add", "asked", "--who", "admins", "--machines", "other", "--role", "login", "--effect", "approve", "--approvers", "approvers")
	t.Run("one host", n.oneHost)
	t.Run("a chain", n.chain)
	t.Run("a certificate that was changed", n.changed)
	t.Run("an approval", n.approval)
	t.Run("one who goes away", n.interrupted)
	t.Run("a host that is another", n.impostor)
}

func (n *hosts) oneHost(t *testing.T) {
	n.in(t, n.hops(t, "target "+machine.WhereWho), "target")
	n.in(t, n.hops(t, "target.example.org "+machine.WhereWho), "target")
	if o := n.hops(t, "target exit 7"); o.Code != 7 {
		t.Errorf("exit code %d, want 7:\n%s", o.Code, o.Screen)
	}
	for words, why := range map[string]string{
		"bastion " + machine.WhereWho:     `in the role "login"`,
		"bob@target " + machine.WhereWho:  "bob at target",
		"root@target " + machine.WhereWho: `no account "root"`,
		"elsewhere " + machine.WhereWho:   "no machine of the realm",
		"-J target bastion true":          `in the role "pass"`,
		"-L 1:x:2 target true":            "local",
	} {
		o := n.hops(t, words)
		n.out(t, o)
		if !strings.Contains(o.Screen, why) {
			t.Errorf("%s: it does not say %q:\n%s", words, why, o.Screen)
		}
	}
}

// kept begins a login through the chain that stays, and leaves in $d what ssh was run with:
// all that somebody has who would go another way.
const kept = `sallyport ssh -J bastion target 'sleep 1000' & held=$!
trap 'kill $held' EXIT
until d=$(ls -d /tmp/sallyport-ssh-*) 2>/dev/null && [ -s "$d/config" ]; do kill -0 $held; sleep 0.1; done
own="-o IdentitiesOnly=yes -o IdentityAgent=$d/agent.sock -o IdentityFile=$d/key.pub -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
way() { what=$1; shift; if timeout 20 "$@" </dev/null; then echo "$what: through"; else echo "$what: refused"; fi; }
way "the chain itself" ssh -o BatchMode=yes -F $d/config -J bastion target true
`

func (n *hosts) chain(t *testing.T) {
	n.in(t, n.hops(t, "-J bastion target "+machine.WhereWho), "target")
	o, err := n.TalkAs(t.Context(), ada, nil, "set -e; "+kept+`
way "the target without the bastion" ssh -o BatchMode=yes -F $d/config -o ProxyJump=none target true
way "the target's at another host" ssh -o BatchMode=yes -F none $own -o CertificateFile=$d/hop2-cert.pub other true
way "the target's at the bastion" ssh -o BatchMode=yes -F none $own -o CertificateFile=$d/hop2-cert.pub bastion true
way "the bastion's at the target" ssh -o BatchMode=yes -F none $own -o CertificateFile=$d/hop1-cert.pub target true
way "the key alone" ssh -o BatchMode=yes -F none $own target true
way "a command at the bastion" ssh -o BatchMode=yes -F $d/config bastion true
way "a terminal at the bastion" ssh -o BatchMode=yes -tt -F $d/config bastion
way "another host behind the bastion" ssh -o BatchMode=yes -F $d/config -W other:22 bastion
way "another port behind the bastion" ssh -o BatchMode=yes -F $d/config -W target:23 bastion
way "the target by its address" ssh -o BatchMode=yes -F $d/config -W 10.9.0.11:22 bastion
way "a port back from the bastion" ssh -o BatchMode=yes -F $d/config -N -o ExitOnForwardFailure=yes -R 9000:target:22 bastion
way "a port from the target" ssh -o BatchMode=yes -F $d/config -J bastion -o ExitOnForwardFailure=yes -R 9000:other:22 target true
`)
	must(t, err)
	if !strings.Contains(o.Screen, "the chain itself: through") || strings.Count(o.Screen, ": through") != 1 || strings.Count(o.Screen, ": refused") != 12 {
		t.Errorf("some way is open:\n%s", o.Screen)
	}
}

func (n *hosts) approval(t *testing.T) {
	done := make(chan machine.Outcome, 1)
	go func() {
		o, err := n.TalkAs(t.Context(), ada, nil, "sallyport ssh --reason 'the disk is full' other "+machine.WhereWho)
		if err != nil {
			o.Screen += err.Error()
		}
		done <- o
	}()
	id := ""
	must(t, n.Eventually(t.Context(), func() (err error) {
		id, err = n.waiting(t)
		return err
	}))
	screen := func(name, password, words string) string {
		t.Helper()
		o, err := n.TalkAs(t.Context(), name, []string{"Password: ", password}, words)
		must(t, err)
		return o.Screen
	}
	if s := screen("bob", bobPass, "sallyport requests"); !strings.Contains(s, "ssh ada@other") || !strings.Contains(s, "the disk is full") {
		t.Errorf("bob does not see it:\n%s", s)
	}
	if s := screen(ada, adaPass, "sallyport approve "+id); strings.Contains(s, "granted") {
		t.Errorf("ada approves her own:\n%s", s)
	}
	if s := screen("bob", "wrong", "sallyport approve "+id); strings.Contains(s, "granted") {
		t.Errorf("bob need not prove who he is:\n%s", s)
	}
	must(t, n.Server.Stop(t.Context()))
	if s := screen("bob", bobPass, "sallyport approve "+id+"; echo code $?"); strings.Contains(s, "granted") || strings.Contains(s, "code 0") || !strings.Contains(s, "cannot be reached") {
		t.Errorf("bob approves without the server, or does not read why not:\n%s", s)
	}
	must(t, n.StartServer(t.Context()))
	must(t, n.WaitOnline(t.Context()))
	if s := screen("bob", bobPass, "sallyport approve "+id); !strings.Contains(s, "granted") {
		t.Errorf("bob cannot approve:\n%s", s)
	}
	waited := <-done
	if n.in(t, waited, "other"); !strings.Contains(waited.Screen, "does not answer now") {
		t.Errorf("who waits is not told that the server is away:\n%s", waited.Screen)
	}
	n.in(t, n.hops(t, "other "+machine.WhereWho), "other") // the grant is open
	o, err := n.TalkAs(t.Context(), ada, nil, strings.ReplaceAll(kept, "-J bastion target", "other")+`
sallyport withdraw `+id+`
way "until it is known to be ended" sh -c "while ssh -o BatchMode=yes -F $d/config other true; do sleep 0.1; done"
way "with what was kept" ssh -o BatchMode=yes -F $d/config other true`)
	must(t, err)
	if !strings.Contains(o.Screen, "the chain itself: through") || !strings.Contains(o.Screen, "with what was kept: refused") {
		t.Errorf("an ended grant lets somebody in:\n%s", o.Screen)
	}
	if log := n.Hosts["other"].Daemon.Output.String(); !strings.Contains(log, "its grant was ended") {
		t.Errorf("the host does not say why:\n%s", log)
	}
}

// interrupted: who types Ctrl-C waits for nothing any more.
func (n *hosts) interrupted(t *testing.T) {
	o, err := n.TalkAs(t.Context(), ada, []string{"Ctrl-C withdraws it", "\x03"}, "sallyport ssh --role withdrawn other "+machine.WhereWho)
	must(t, err)
	n.out(t, o)
	if !strings.Contains(o.Screen, "interrupted; the request is withdrawn") {
		t.Errorf("Ctrl-C does not withdraw:\n%s", o.Screen)
	}
	if id, err := n.waiting(t); err == nil {
		t.Errorf("the request %s still waits", id)
	}
}

func (n *hosts) impostor(t *testing.T) {
	script(t, n.Realm, "sed -i 's/^10.9.0.11 /10.9.0.99 /; s/^10.9.0.12 other/10.9.0.12 target other/' /etc/hosts")
	o := n.hops(t, "target "+machine.WhereWho)
	n.out(t, o)
	if !strings.Contains(o.Screen, "Host key verification failed") {
		t.Errorf("it is not the host key that is refused:\n%s", o.Screen)
	}
}

var (
	errNothingWaits = errors.New("no request waits")
	errUnchanged    = errors.New("it is as it was")
)

// waiting is the request that waits.
func (n *hosts) waiting(t *testing.T) (string, error) {
	t.Helper()
	var list struct {
		Requests []struct{ ID, State string }
	}
	if err := json.Unmarshal([]byte(admin(t, n.Realm, "", "request", "list", "--json")), &list); err != nil {
		return "", err
	}
	for _, r := range list.Requests {
		if r.State == "waiting" {
			return r.ID, nil
		}
	}
	return "", errNothingWaits
}
