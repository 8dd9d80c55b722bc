// Package sshkeys is what sshd asks: the AuthorizedKeysCommand of sshd_config(5).
//
// It asks the daemon over lookup.sock for the keys of one account and prints
// them in the form of authorized_keys(5). Whether the account may have any is
// the daemon's decision: it serves none for a name that is local, disabled, out
// of date or not allowed on this machine. A key's options are printed as they are stored.
// This package only adds one, and leaves out what is no key.
//
// sshd runs the command anew for each key that somebody offers, and waits for it. So a
// name of passwd(5) is answered without asking anybody ([Local]), and a daemon that does
// not say within 250 ms that it works on the question counts as gone.
//
// A certificate is another question ([FetchFor]): sshd says which one was offered, and the
// daemon answers with lines for that one alone, or with none (package daemon/hops).
//
// Agent forwarding is off unless this machine's administrator says otherwise: a forwarded
// agent lets whoever is root on this machine use the key everywhere else. That is said
// behind the stored options, of which sshd goes by the last.
package sshkeys

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// Options are set where sshd's configuration names the command.
type Options struct {
	// AllowAgentForwarding leaves agent forwarding to sshd's own setting.
	AllowAgentForwarding bool
	// Fingerprint, when not empty, limits the answer to one key: sshd's %f.
	Fingerprint string
}

// acknowledge is how long the daemon may take to say that it works on a question. It is as
// long as for a login: on a crowded machine a key that is not served costs more than a wait:
// docs/decisions/0002-fifty-milliseconds.md.
const acknowledge = 250 * time.Millisecond

// Local tells whether the name is an account of the file, which is in the form of
// passwd(5). A file that cannot be read has nobody.
func Local(path, name string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // read only
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadString('\n')
		if user, _, found := strings.Cut(line, ":"); found && user == name && name != "" {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// Fetch asks the daemon at socket for the keys of the account that name finds.
// identity.ErrNotFound and identity.ErrUnavailable are told apart. The context limits
// the answer; that the daemon works on it must be known sooner.
func Fetch(ctx context.Context, socket, name string) ([]string, error) {
	return ask(ctx, socket, name, wire.New(wire.GetSSHKeys).AddString(wire.Name, name))
}

func ask(ctx context.Context, socket, name string, question *wire.Message) ([]string, error) {
	soon, cancel := context.WithTimeout(ctx, acknowledge)
	defer cancel()
	c, err := wire.Dial(soon, socket)
	if err != nil {
		return nil, fmt.Errorf("%w: sallyportd does not answer: %w", identity.ErrUnavailable, err)
	}
	defer c.Close() //nolint:errcheck // read only
	if err := c.Send(soon, question); err != nil {
		return nil, fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	var lines []string
	for until := soon; ; until = ctx {
		m, err := c.Receive(until)
		if err != nil {
			return nil, fmt.Errorf("%w: sallyportd does not answer: %w", identity.ErrUnavailable, err)
		}
		switch m.Type {
		case wire.Working:
		case wire.SSHKey:
			if lines = append(lines, m.String(wire.KeyLine)); len(lines) > identity.MaxSSHKeys {
				return nil, fmt.Errorf("%w: more than %d keys", wire.ErrMalformed, identity.MaxSSHKeys)
			}
		case wire.End:
			return lines, nil
		case wire.NotFound:
			return nil, fmt.Errorf("keys of %q: %w", name, identity.ErrNotFound)
		case wire.Unavailable:
			return nil, fmt.Errorf("keys of %q: %w: %s", name, identity.ErrUnavailable, m.String(wire.Text))
		default:
			return nil, fmt.Errorf("%w: type %#02x in an answer", wire.ErrMalformed, uint8(m.Type))
		}
	}
}

// Write prints the keys for sshd, one a line. A line that is no stored key is left out: its
// options could grant what nobody meant to.
func Write(w io.Writer, lines []string, o Options) error {
	return write(w, lines, func(line identity.KeyLine, key ssh.PublicKey) (string, bool) {
		return line.Text + o.last(line), o.Fingerprint == "" || ssh.FingerprintSHA256(key) == o.Fingerprint
	})
}

// last is what stands behind a line's options.
func (o Options) last(line identity.KeyLine) string {
	switch {
	case o.AllowAgentForwarding || line.Has("no-agent-forwarding") && !line.Has("agent-forwarding"):
		return ""
	case line.Text == "":
		return "no-agent-forwarding"
	default:
		return ",no-agent-forwarding"
	}
}

// WriteFor prints the lines that the daemon has for a certificate: authorities of
// certificates, and nothing else.
func WriteFor(w io.Writer, lines []string, o Options) error {
	return write(w, lines, func(line identity.KeyLine, _ ssh.PublicKey) (string, bool) {
		return line.Text + o.last(line), line.Has("cert-authority")
	})
}

// write prints those lines that are keys, with the options that f says.
func write(w io.Writer, lines []string, f func(identity.KeyLine, ssh.PublicKey) (options string, print bool)) error {
	var out bytes.Buffer
	for _, text := range lines {
		line, err := identity.ParseKeyLine(text)
		if err != nil {
			continue
		}
		key, _, others, rest, err := ssh.ParseAuthorizedKey([]byte(line.Key))
		if err != nil || len(others) > 0 || len(rest) > 0 {
			continue
		}
		options, print := f(line, key)
		if !print {
			continue
		}
		if options != "" {
			out.WriteString(options + " ")
		}
		out.Write(ssh.MarshalAuthorizedKey(key))
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print keys: %w", err)
	}
	return nil
}

// IsCertificate tells whether sshd's %t is that of a certificate.
func IsCertificate(keyType string) bool { return strings.HasSuffix(keyType, "-cert-v01@openssh.com") }

// FetchFor asks the daemon at socket for the lines of authorized_keys(5) that a certificate,
// sshd's %k, is good by for that account; none where it is good for nothing. Its errors are
// those of [Fetch].
func FetchFor(ctx context.Context, socket, name, certificate string) ([]string, error) {
	return ask(ctx, socket, name, wire.New(wire.GetSSHKeys).AddString(wire.Name, name).AddString(wire.Certificate, certificate))
}
