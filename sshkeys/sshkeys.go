// Package sshkeys is what sshd asks: the AuthorizedKeysCommand of sshd_config(5).
//
// It asks the daemon over lookup.sock for the keys of one account and prints
// them in the form of authorized_keys(5). Whether the account may have any is
// the daemon's decision: it serves none for a name that is local, disabled, out
// of date or not allowed on this machine. This package only adds the options
// and leaves out what is no key.
//
// sshd runs the command anew for each key that somebody offers, and waits for it. So a
// name of passwd(5) is answered without asking anybody ([Local]), and a daemon that does
// not say within 250 ms that it works on the question counts as gone.
//
// A certificate is another question ([FetchLine]): sshd says which one was offered, and the
// daemon answers with a line for that one alone, or with none (package daemon/hops).
//
// Agent forwarding is off unless the administrator says otherwise: a forwarded
// agent lets whoever is root on this machine use the key everywhere else.
package sshkeys

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
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

// Write prints the keys for sshd, one a line. A line that is not a bare public
// key is left out: its options could grant what nobody meant to.
func Write(w io.Writer, lines []string, o Options) error {
	var out bytes.Buffer
	for _, line := range lines {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(options) > 0 || len(rest) > 0 {
			continue
		}
		if o.Fingerprint != "" && ssh.FingerprintSHA256(key) != o.Fingerprint {
			continue
		}
		if !o.AllowAgentForwarding {
			out.WriteString("no-agent-forwarding ")
		}
		out.Write(ssh.MarshalAuthorizedKey(key))
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print keys: %w", err)
	}
	return nil
}

// WriteLine prints the line that the daemon made for a certificate, if it is one: an
// authority of certificates, for named principals.
func WriteLine(w io.Writer, line string) error {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	principals := func(o string) bool { return strings.HasPrefix(o, `principals="`) }
	if err != nil {
		return nil //nolint:nilerr // it is no line for sshd
	}
	if len(rest) > 0 || len(options) == 0 || options[0] != "cert-authority" || !slices.ContainsFunc(options, principals) {
		return nil
	}
	if _, err := fmt.Fprintf(w, "%s %s", strings.Join(options, ","), ssh.MarshalAuthorizedKey(key)); err != nil {
		return fmt.Errorf("print keys: %w", err)
	}
	return nil
}

// IsCertificate tells whether sshd's %t is that of a certificate.
func IsCertificate(keyType string) bool { return strings.HasSuffix(keyType, "-cert-v01@openssh.com") }

// FetchLine asks the daemon at socket for the line of authorized_keys(5) that a
// certificate, sshd's %k, is good by for that account; "" where it is good for nothing. Its
// errors are those of [Fetch].
func FetchLine(ctx context.Context, socket, name, certificate string) (string, error) {
	lines, err := ask(ctx, socket, name, wire.New(wire.GetSSHKeys).AddString(wire.Name, name).AddString(wire.Certificate, certificate))
	if err != nil || len(lines) == 0 {
		return "", err
	}
	return lines[0], nil
}
