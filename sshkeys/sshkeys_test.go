package sshkeys_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/sshkeys"
	"github.com/sallyport-auth/sallyport/wire"
)

const (
	token = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fAAAABHNzaDo="
	key   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIrSMHaEoyGBBK0J9vPOAHYgNQDDcQM1W2U0RXyJZuVM"
)

func fingerprint(t *testing.T) string {
	t.Helper()
	k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key)) //nolint:dogsled // the key alone
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(k)
}

// Promise key-options.
func TestKeysArePrintedWithTheirOptionsAndNothingElseIs(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		o    sshkeys.Options
		want string
	}{
		"a key, agent forwarding off":  {line: key, want: "no-agent-forwarding " + key + "\n"},
		"a key, forwarding left alone": {line: key, o: sshkeys.Options{AllowAgentForwarding: true}, want: key + "\n"},
		"options before the key":       {line: `command="/bin/sh -c \"id\"",from="192.0.2.1" ` + key, want: `command="/bin/sh -c \"id\"",from="192.0.2.1",no-agent-forwarding ` + key + "\n"},
		"agent forwarding of the key":  {line: "restrict,agent-forwarding " + key, want: "restrict,agent-forwarding,no-agent-forwarding " + key + "\n"},
		"the same, left alone":         {line: "restrict,agent-forwarding " + key, o: sshkeys.Options{AllowAgentForwarding: true}, want: "restrict,agent-forwarding " + key + "\n"},
		"a key of a token":             {line: "verify-required " + token, want: "verify-required,no-agent-forwarding " + token + "\n"},
		"an option that sshd has not":  {line: "permit-everything " + key},
		"options that do not end":      {line: `command="x ` + key},
		"a key behind options":         {line: "restrict\n" + key},
		"a key behind a key":           {line: "restrict " + key + " " + key},
		"a second line":                {line: key + "\n" + key},
		"no key":                       {line: "ssh-ed25519 AAAA"},
		"another key than asked for":   {line: key, o: sshkeys.Options{Fingerprint: "SHA256:other"}},
		"the key that is asked for":    {line: key, o: sshkeys.Options{Fingerprint: fingerprint(t)}, want: "no-agent-forwarding " + key + "\n"},
		"nothing":                      {line: ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := sshkeys.Write(&out, []string{c.line}, c.o); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("printed %q, want %q", out.String(), c.want)
			}
		})
	}
}

// Promise hop-certificate.
func TestForACertificateAuthoritiesAloneArePrinted(t *testing.T) {
	for line, want := range map[string]string{
		`cert-authority,principals="a" ` + key:                     `cert-authority,principals="a",no-agent-forwarding ` + key + "\n",
		`principals="a",cert-authority,no-agent-forwarding ` + key: `principals="a",cert-authority,no-agent-forwarding ` + key + "\n",
		`principals="a" ` + key:                                    "",
		key:                                                        "",
		`cert-authority,principals="a` + key:                       "",
		`cert-authority,principals="a" ` + key + "\n" + key:        "",
		`cert-authority,command="cert-authority",odd ` + key:       "",
		`command="cert-authority" ` + key:                          "",
	} {
		var out strings.Builder
		if err := sshkeys.WriteFor(&out, []string{line}, sshkeys.Options{}); err != nil || out.String() != want {
			t.Errorf("%s became %q, %v", line, &out, err)
		}
	}
}

// answer serves one lookup connection with the given packets.
func answer(t *testing.T, packets ...*wire.Message) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lookup.sock")
	l, err := wire.Listen(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go serveOne(t.Context(), l, packets)
	return path
}

func serveOne(ctx context.Context, l *net.UnixListener, packets []*wire.Message) {
	c, err := l.AcceptUnix()
	if err != nil {
		return
	}
	w := wire.NewConn(c)
	defer w.Close()
	if _, err := w.Receive(ctx); err != nil {
		return
	}
	for _, p := range packets {
		if err := w.Send(ctx, p); err != nil {
			return
		}
	}
}

func TestEveryAnswerOfTheDaemonHasItsMeaning(t *testing.T) {
	working := wire.New(wire.Working)
	one := wire.New(wire.SSHKey).AddString(wire.KeyLine, key)
	for name, c := range map[string]struct {
		packets []*wire.Message
		n       int
		want    error
	}{
		"keys":               {[]*wire.Message{working, one, one, wire.New(wire.End)}, 2, nil},
		"none":               {[]*wire.Message{working, wire.New(wire.End)}, 0, nil},
		"not found":          {[]*wire.Message{working, wire.New(wire.NotFound)}, 0, identity.ErrNotFound},
		"unavailable":        {[]*wire.Message{working, wire.New(wire.Unavailable)}, 0, identity.ErrUnavailable},
		"ends in the middle": {[]*wire.Message{working, one}, 0, identity.ErrUnavailable},
		"something else":     {[]*wire.Message{working, wire.New(wire.Groups).AddNumbers(wire.GIDs, 1)}, 0, wire.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			lines, err := sshkeys.Fetch(ctx, answer(t, c.packets...), "ada")
			if len(lines) != c.n || !errors.Is(err, c.want) {
				t.Errorf("%d keys, error %v; want %d, %v", len(lines), err, c.n, c.want)
			}
		})
	}
}

// Promise host-local-keys.
func TestADaemonThatHangsIsGivenUpSoon(t *testing.T) {
	for name, packets := range map[string][]*wire.Message{"before it answers": nil, "after it began": {wire.New(wire.Working)}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lookup.sock")
			l, err := wire.Listen(path, 0o666)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			t.Cleanup(func() { close(ended); l.Close() })
			go func() {
				c, err := l.AcceptUnix()
				if err != nil {
					return
				}
				defer c.Close()
				for _, p := range packets {
					_ = wire.NewConn(c).Send(context.Background(), p)
				}
				<-ended
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = sshkeys.Fetch(ctx, path, "ada")
			if !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			deadline, _ := ctx.Deadline()
			if early := time.Now().Before(deadline); early != (packets == nil) {
				t.Errorf("given up before the whole time is over: %v", early)
			}
		})
	}
}

// Promise host-local-keys.
func TestALocalNameIsFoundInPasswd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	long := strings.Repeat("x", 100000)
	if err := os.WriteFile(path, []byte("root:x:0:0::/:/bin/sh\n#ada:x\n"+long+":x:1:1::/:/bin/sh\n:x\nlast:x:2:2::/:/bin/sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"root": true, "last": true, long: true, "ada": false, "roo": false, "root:x": false, "": false, "Root": false} {
		if got := sshkeys.Local(path, name); got != want {
			t.Errorf("%.20q: %v", name, got)
		}
	}
	if sshkeys.Local(path+"-none", "root") {
		t.Error("a file that is not there has somebody")
	}
}

func TestWithoutADaemonTheErrorIsUnavailable(t *testing.T) {
	_, err := sshkeys.Fetch(t.Context(), filepath.Join(t.TempDir(), "none"), "ada")
	if !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func FuzzWrite(f *testing.F) {
	f.Add(key)
	f.Add(`no-pty,command="x" ` + key)
	f.Add("ssh-rsa AAAA\nssh-rsa BBBB")
	f.Fuzz(func(t *testing.T, line string) {
		var out strings.Builder
		if err := sshkeys.Write(&out, []string{line}, sshkeys.Options{}); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if got == "" {
			return
		}
		first, _, _ := identity.CutKeyOptions(got)
		if strings.Count(got, "\n") != 1 || !strings.HasSuffix(first, "no-agent-forwarding") {
			t.Errorf("%q became %q", line, got)
		}
	})
}
