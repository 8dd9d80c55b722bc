package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// hosts are a network of whole machines: the laptop, where people sit and the server runs,
// and hosts that they log in to, each with a network namespace, an address and an sshd of
// its own.
type hosts struct {
	*machine.Realm // the laptop
	t              *testing.T
	all            map[string]*machine.Realm
	holders        map[string]int // process ids that hold the namespaces
}

// addresses of the hosts and of the laptop.
const laptopAddress = "10.9.0.1"

func hostAddress(i int) string { return fmt.Sprintf("10.9.0.%d", 10+i) }

// network makes the laptop with ada and bob in the realm, and hosts of those names.
func network(t *testing.T, names ...string) *hosts {
	t.Helper()
	n := &hosts{Realm: joined(t), t: t, all: map[string]*machine.Realm{}, holders: map[string]int{}}
	admin(t, n.Realm, "", "keys", "rotate-ssh")
	admin(t, n.Realm, "", "account", "add", "bob")
	admin(t, n.Realm, bobPass, "account", "set-password", "bob")
	n.ip("ip link add br0 type bridge && ip addr add " + laptopAddress + "/24 dev br0 && ip link set br0 up")
	t.Cleanup(func() { n.ip("ip link del br0") })
	etc := ""
	for i, name := range names {
		etc += hostAddress(i) + " " + name + " " + name + ".example.org\n"
	}
	script(t, n.Realm, "cat >> /etc/hosts <<'E'\n"+etc+"E")
	for i, name := range names {
		n.host(i, name, etc)
	}
	return n
}

// ip runs lines of sh where the networks are made.
func (n *hosts) ip(lines string) {
	n.t.Helper()
	if out, err := exec.Command("/bin/sh", "-euc", lines).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", lines, err, out)
	}
}

// host makes one host: a machine of the realm with its own address, by which the realm's
// administrators know it.
func (n *hosts) host(i int, name, etc string) {
	t, ctx := n.t, n.t.Context()
	t.Helper()
	r := bare(t)
	n.all[name] = r
	out := admin(t, n.Realm, "", "machine", "add", name, "--json")
	var code struct{ Code, Fingerprint string }
	must(t, json.Unmarshal([]byte(out), &code))
	_, err := r.Run(ctx, "/usr/bin/sallyport", r.JoinWords(ctx, code.Code, code.Fingerprint)...)
	must(t, err)
	// Each root has the host's own keys, and a host is known by them.
	script(t, r, "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; echo "+name+" > /etc/which-host; cat >> /etc/hosts <<'E'\n"+etc+"E")
	admin(t, n.Realm, "", "machine", "set", name, "--host-names", name+".example.org", "--addresses", hostAddress(i))
	must(t, r.StartDaemon(ctx))
	must(t, r.WaitOnline(ctx))
	must(t, r.Eventually(ctx, func() error {
		_, err := os.Stat(r.Path("/var/lib/sallyport/ssh/ssh_host_ed25519_key-cert.pub"))
		return err
	}))
	holder, err := r.Start(ctx, "/usr/bin/unshare", "--net", "/bin/sleep", "infinity")
	must(t, err)
	pid := holder.Cmd.Process.Pid
	n.holders[name] = pid
	must(t, r.Eventually(ctx, func() error {
		own, _ := os.Readlink("/proc/self/ns/net")
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil || its == own {
			return fmt.Errorf("no network of its own yet: %w", err)
		}
		return nil
	}))
	n.ip(fmt.Sprintf(`ip link add v%[1]d type veth peer name e%[1]d
		ip link set e%[1]d netns %[2]d
		ip link set v%[1]d master br0 up
		nsenter -t %[2]d -n ip addr add %[3]s/24 dev e%[1]d
		nsenter -t %[2]d -n ip link set e%[1]d up
		nsenter -t %[2]d -n ip link set lo up`, i, pid, hostAddress(i)))
	words := []string{"--net=/proc/" + strconv.Itoa(pid) + "/ns/net", "/usr/sbin/sshd", "-D", "-e", "-o", "LogLevel=VERBOSE"}
	if i > 0 { // the first shows its keys alone
		words = append(words, "-o", "HostCertificate=/var/lib/sallyport/ssh/ssh_host_ed25519_key-cert.pub")
	}
	r.SSHD, err = r.Start(ctx, "/usr/bin/nsenter", words...)
	must(t, err)
	ctx, cancel := context.WithTimeout(ctx, machine.Patience)
	defer cancel()
	must(t, r.SSHD.Output.Wait(ctx, "Server listening on"))
}

// signsIn has somebody sign in at the laptop, so that the server knows who asks there.
func (n *hosts) signsIn(name, password string) {
	n.t.Helper()
	lets(n.t, func(ctx context.Context) (machine.Outcome, error) { return n.SU(ctx, local, name, password) }, name)
}

// hops runs "sallyport ssh" as ada at the laptop.
func (n *hosts) hops(t *testing.T, words string) machine.Outcome {
	t.Helper()
	o, err := n.TalkAs(t.Context(), ada, nil, "sallyport ssh "+words)
	must(t, err)
	return o
}

// in asserts that the command ran there, as ada.
func (n *hosts) in(t *testing.T, o machine.Outcome, host string) {
	t.Helper()
	if !o.OK() || !strings.Contains(o.Screen, "I am "+ada+" at "+host) {
		t.Errorf("%s is not in at %s (exit code %d):\n%s", ada, host, o.Code, o.Screen)
	}
}

// out asserts that no command ran anywhere.
func (n *hosts) out(t *testing.T, o machine.Outcome) {
	t.Helper()
	if o.OK() || strings.Contains(o.Screen, "I am ") {
		t.Errorf("somebody is in (exit code %d):\n%s", o.Code, o.Screen)
	}
}

// whoThere says who and where somebody is. Hosts share the test's name of the machine, so a
// file tells.
const whoThere = `'echo "I am $(id -un) at $(cat /etc/which-host)"'`
