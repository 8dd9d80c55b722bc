package hop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Admission is what lets somebody in at one hop.
type Admission struct {
	Certificate *ssh.Certificate
	// Alias is the name by which the machine's host certificate is known, and Keys are those
	// of its sshd.
	Alias string
	Keys  []ssh.PublicKey
}

// Command is ssh with the key, for a chain with an admission for each hop. hosts are the
// keys that sign host certificates: a machine is right that shows one for its alias, or one
// of its own keys.
func (k *Key) Command(ctx context.Context, program string, l Line, r Route, admissions []Admission, hosts []ssh.PublicKey) (*exec.Cmd, error) {
	if len(admissions) != len(r.Hops) {
		return nil, fmt.Errorf("%d certificates for %d machines", len(admissions), len(r.Hops))
	}
	if err := k.write("key.pub", ssh.MarshalAuthorizedKey(k.Public)); err != nil {
		return nil, err
	}
	var config, known strings.Builder
	for i, h := range r.Hops {
		a := admissions[i]
		if !bytes.Equal(a.Certificate.Key.Marshal(), k.Public.Marshal()) {
			return nil, fmt.Errorf("the certificate for %s is of another key", h.Typed)
		}
		name := fmt.Sprintf("hop%d-cert.pub", i+1)
		if err := k.write(name, ssh.MarshalAuthorizedKey(a.Certificate)); err != nil {
			return nil, err
		}
		k.section(&config, h.Typed, name, a.Alias)
		for _, key := range a.Keys {
			fmt.Fprintf(&known, "%s %s", a.Alias, ssh.MarshalAuthorizedKey(key))
		}
		for _, host := range hosts {
			fmt.Fprintf(&known, "@cert-authority %s %s", a.Alias, ssh.MarshalAuthorizedKey(host))
		}
	}
	config.WriteString("Match all\n")
	for _, file := range l.configs() {
		fmt.Fprintf(&config, "Include \"%s\"\n", file)
	}
	if err := k.write("known_hosts", []byte(known.String())); err != nil {
		return nil, err
	}
	if err := k.write("config", []byte(config.String())); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, program, append([]string{"-F", k.path("config")}, l.Args...)...), nil //nolint:gosec // the person's own words for the person's own ssh
}

func (k *Key) path(name string) string { return filepath.Join(k.folder, name) }

func (k *Key) write(name string, text []byte) error {
	if err := os.WriteFile(k.path(name), text, 0o600); err != nil {
		return fmt.Errorf("write for ssh: %w", err)
	}
	return nil
}

// section is one hop's part of ssh_config(5), where the first value counts.
func (k *Key) section(w *strings.Builder, typed, certificate, alias string) {
	fmt.Fprintf(w, "Host %s\n", typed)
	for _, line := range []string{
		"IdentityAgent \"" + k.socket() + "\"",
		"IdentitiesOnly yes",
		"IdentityFile \"" + k.path("key.pub") + "\"",
		"CertificateFile \"" + k.path(certificate) + "\"",
		"PubkeyAuthentication yes",
		"ForwardAgent no",
		"AddKeysToAgent no",
		"HostKeyAlias " + alias,
		"UserKnownHostsFile \"" + k.path("known_hosts") + "\"",
		"GlobalKnownHostsFile none",
		"KnownHostsCommand none",
		"VerifyHostKeyDNS no",
		"StrictHostKeyChecking yes",
		"CheckHostIP no",
		"UpdateHostKeys no",
	} {
		fmt.Fprintf(w, "\t%s\n", line)
	}
}

// configs are the files that ssh would have read.
func (l Line) configs() []string {
	switch l.Config {
	case "none":
		return nil
	case "":
		return []string{"~/.ssh/config", "/etc/ssh/ssh_config"}
	default:
		if path, err := filepath.Abs(l.Config); err == nil {
			return []string{path}
		}
		return []string{l.Config}
	}
}
