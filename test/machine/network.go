package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Network is whole machines that reach each other: a laptop, where people sit and the
// realm's server runs, and hosts that they log in to, each with a network namespace, an
// address, host keys and an sshd of its own. The realm makes ssh certificates.
type Network struct {
	*Realm // the laptop
	Hosts  map[string]*Realm
}

// The laptop's address; hosts are 10.9.0.10 and on.
const laptopAddress = "10.9.0.1"

func hostAddress(i int) string { return fmt.Sprintf("10.9.0.%d", 10+i) }

// Connect makes hosts of those names around a machine that runs a server and has joined. A
// host is known to the realm by NAME, NAME.example.org and its address. The first shows its
// host keys alone, the others certificates of them.
func (r *Realm) Connect(ctx context.Context, names ...string) (*Network, error) {
	n := &Network{Realm: r, Hosts: map[string]*Realm{}}
	if _, err := r.Admin(ctx, "", "keys", "rotate-ssh"); err != nil {
		return n, err
	}
	if err := outside(ctx, "ip link add br0 type bridge; ip addr add "+laptopAddress+"/24 dev br0; ip link set br0 up"); err != nil {
		return n, err
	}
	etc := ""
	for i, name := range names {
		etc += hostAddress(i) + " " + name + " " + name + ".example.org\n"
	}
	etc = "cat >> /etc/hosts <<'E'\n" + etc + "E\n"
	if _, err := r.Script(ctx, etc); err != nil {
		return n, err
	}
	for i, name := range names {
		m, err := New()
		if err != nil {
			return n, err
		}
		h := &Realm{Machine: m}
		n.Hosts[name] = h
		if err := n.host(ctx, h, i, name, etc); err != nil {
			return n, fmt.Errorf("host %s: %w", name, err)
		}
	}
	return n, nil
}

// Disconnect ends the hosts; the laptop stays. Nothing is left of the networks when it
// returns: the kernel ends a namespace when it comes to it.
func (n *Network) Disconnect(ctx context.Context) error {
	for _, h := range n.Hosts {
		if err := h.Close(); err != nil {
			return err
		}
	}
	return outside(ctx, `for l in br0 $(ip -o link | sed -n 's/^[0-9]*: \(v[0-9]*\)@.*/\1/p'); do
		ip link del $l || ! ip link show $l >/dev/null 2>&1
	done`)
}

// outside runs lines of sh where the networks meet.
func outside(ctx context.Context, lines string) error {
	if out, err := exec.CommandContext(ctx, "/bin/sh", "-euc", lines).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", lines, err, out)
	}
	return nil
}

func (n *Network) host(ctx context.Context, h *Realm, i int, name, etc string) error {
	if err := h.Install(ctx); err != nil {
		return err
	}
	// Each root has the host's own keys, and a host is known by them. OpenSSH 9.8 and later
	// shut an address out for a while that failed.
	if _, err := h.Script(ctx, `rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
		if sshd -T 2>/dev/null | grep -qi '^persourcepenalties'; then echo 'PerSourcePenalties no' > /etc/ssh/sshd_config.d/90-test.conf; fi
		echo `+name+" > /etc/which-host\n"+etc); err != nil {
		return err
	}
	out, err := n.Admin(ctx, "", "machine", "add", name, "--json")
	if err != nil {
		return err
	}
	code, fingerprint, err := joinCode(out)
	if err != nil {
		return err
	}
	if _, err := h.Run(ctx, "/usr/bin/sallyport", h.JoinWords(ctx, code, fingerprint)...); err != nil {
		return err
	}
	if _, err := n.Admin(ctx, "", "machine", "set", name, "--host-names", name+".example.org", "--addresses", hostAddress(i)); err != nil {
		return err
	}
	if err := h.StartDaemon(ctx); err != nil {
		return err
	}
	if err := h.Eventually(ctx, func() error {
		_, err := os.Stat(h.Path("/var/lib/sallyport/ssh/ssh_host_ed25519_key-cert.pub"))
		return err //nolint:wrapcheck // the path is in it
	}); err != nil {
		return err
	}
	return h.listen(ctx, i)
}

// listen gives a host a network, and an sshd in it.
func (h *Realm) listen(ctx context.Context, i int) error {
	holder, err := h.Start(ctx, "/usr/bin/unshare", "--net", "/bin/sleep", "infinity")
	if err != nil {
		return err
	}
	pid := holder.Cmd.Process.Pid
	err = h.Eventually(ctx, func() error {
		own, _ := os.Readlink("/proc/self/ns/net")
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil || its == own {
			return fmt.Errorf("no network of its own yet: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = outside(ctx, fmt.Sprintf(strings.Join([]string{
		"ip link add v%[1]d type veth peer name e%[1]d",
		"ip link set e%[1]d netns %[2]d",
		"ip link set v%[1]d master br0 up",
		"nsenter -t %[2]d -n ip addr add %[3]s/24 dev e%[1]d",
		"nsenter -t %[2]d -n ip link set e%[1]d up",
		"nsenter -t %[2]d -n ip link set lo up",
	}, "\n"), i, pid, hostAddress(i)))
	if err != nil {
		return err
	}
	words := []string{"--net=/proc/" + strconv.Itoa(pid) + "/ns/net", "/usr/sbin/sshd", "-D", "-e", "-o", "LogLevel=VERBOSE"}
	if i > 0 {
		words = append(words, "-o", "HostCertificate=/var/lib/sallyport/ssh/ssh_host_ed25519_key-cert.pub")
	}
	if h.SSHD, err = h.Start(ctx, "/usr/bin/nsenter", words...); err != nil {
		return err
	}
	return ready(ctx, h.SSHD, "Server listening on")
}

// WhereWho is a command that says who and where somebody is.
const WhereWho = `'echo "I am $(id -un) at $(cat /etc/which-host)"'`
