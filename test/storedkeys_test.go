package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-auth/sallyport/test/machine"
)

// keyed is a machine whose sshd asks the realm for keys.
type keyed struct{ *machine.Realm }

// store gives ada one more key, of the file at path, with these options before it.
func (k keyed) store(t *testing.T, path, options string) {
	t.Helper()
	public := strings.TrimSpace(script(t, k.Realm, "cat "+path+".pub"))
	k.storeLine(t, path, strings.TrimSpace(options+" "+public))
}

func (k keyed) storeLine(t *testing.T, tag, line string) {
	t.Helper()
	admin(t, k.Realm, "", "account", "add-key", ada, line, "--tag", tag)
	blob := line[strings.LastIndex(line, "AAAA"):]
	blob, _, _ = strings.Cut(blob, " ")
	must(t, k.Eventually(t.Context(), func() error {
		_, err := k.Script(t.Context(), "sallyport-keys ada | grep -qF '"+blob+"'")
		return err
	}))
}

// ssh logs in with a key; its words come after -i.
func (k keyed) ssh(t *testing.T, key, words string) machine.Outcome {
	t.Helper()
	o, err := k.TalkAs(t.Context(), "root", nil, "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "+
		"-o BatchMode=yes -o IdentitiesOnly=yes -o PreferredAuthentications=publickey -i "+key+" "+words)
	must(t, err)
	return o
}

// Promise key-options.
func TestTheOptionsOfAStoredKeyHoldAtSshd(t *testing.T) {
	k := keyed{joined(t)}
	script(t, k.Realm, `for n in from forced bare expired ca plainca; do ssh-keygen -q -t ed25519 -N '' -f /root/$n; done
		for n in ops ada; do ssh-keygen -q -t ed25519 -N '' -f /root/u$n; done
		ssh-keygen -q -s /root/ca -I x -n ops /root/uops.pub; ssh-keygen -q -s /root/plainca -I x -n ada /root/uada.pub`)
	k.store(t, "/root/from", `from="127.0.0.7"`)
	k.store(t, "/root/forced", `command="echo \"forced, $SSH_ORIGINAL_COMMAND\""`)
	k.store(t, "/root/bare", "restrict")
	k.store(t, "/root/expired", `expiry-time="20200101"`)
	const who = ` ada@127.0.0.1 'echo I am $(id -un)'`
	const banner = " -W 127.0.0.1:22 ada@127.0.0.1 </dev/null"
	for _, c := range []struct {
		name, key, words, want, not string
	}{
		{"a key without options", adaKey, who, "I am ada", ""},
		{"and its forwarding", adaKey, banner, "SSH-2.0", ""},
		{"from its address", "/root/from", "-b 127.0.0.7" + who, "I am ada", ""},
		{"from another", "/root/from", "-b 127.0.0.8" + who, "denied", "I am"},
		{"a forced command", "/root/forced", who, "forced, echo I am", "I am ada"},
		{"a restricted key runs commands", "/root/bare", who, "I am ada", ""},
		{"it forwards nothing", "/root/bare", banner, "", "SSH-2.0"},
		{"it gets no terminal", "/root/bare", "-tt ada@127.0.0.1 tty", "", "/dev/pts"},
		{"a key whose time is over", "/root/expired", who, "denied", "I am"},
		{"a certificate of nobody", "/root/uops", who, "denied", "I am"},
	} {
		if o := k.ssh(t, c.key, c.words); !strings.Contains(o.Screen, c.want) || c.not != "" && strings.Contains(o.Screen, c.not) {
			t.Errorf("%s (exit code %d):\n%s", c.name, o.Code, o.Screen)
		}
	}
	k.store(t, "/root/ca", `cert-authority,principals="ops"`)
	k.store(t, "/root/plainca", "cert-authority")
	for key, want := range map[string]string{"/root/uops": "I am ada", "/root/uada": "I am ada", "/root/ca": "denied", "/root/plainca": "denied"} {
		if o := k.ssh(t, key, who); !strings.Contains(o.Screen, want) {
			t.Errorf("by the authority of %s (exit code %d):\n%s", key, o.Code, o.Screen)
		}
	}
	for line, why := range map[string]string{
		"permit-everything": "permit-everything",
		`command="x`:        "not",
		`from="10.0.0.1/8"`: "from",
	} {
		if out, err := k.Admin(t.Context(), "", "account", "add-key", ada, line+" "+script(t, k.Realm, "cat /root/uops.pub"), "--tag", "odd"); err == nil || !strings.Contains(out+err.Error(), why) {
			t.Errorf("%s is taken: %s, %v", line, out, err)
		}
	}
}

// Promise keys-soon.
func TestSshdRefusesACertificateSoonWhileTheDaemonHangs(t *testing.T) {
	k := keyed{joined(t)}
	script(t, k.Realm, "ssh-keygen -q -t ed25519 -N '' -f /root/ca; ssh-keygen -q -t ed25519 -N '' -f /root/u; ssh-keygen -q -s /root/ca -I x -n ada /root/u.pub")
	k.store(t, "/root/ca", "cert-authority")
	const who = " ada@127.0.0.1 'echo I am $(id -un)'"
	if o := k.ssh(t, "/root/u", who); !strings.Contains(o.Screen, "I am ada") {
		t.Fatalf("ada is not in:\n%s", o.Screen)
	}
	must(t, k.Daemon.Signal(syscall.SIGSTOP))
	began := time.Now()
	// The certificate and its key are asked about, each by AuthorizedKeysCommand once.
	if o := k.ssh(t, "/root/u", who); !strings.Contains(o.Screen, "denied") || strings.Contains(o.Screen, "I am") {
		t.Errorf("while the daemon hangs (exit code %d):\n%s", o.Code, o.Screen)
	}
	if took := time.Since(began); took > 8*time.Second { // two, and what a crowded machine adds; keys alone have ten each
		t.Errorf("sshd took %s", took)
	}
	must(t, k.Daemon.Signal(syscall.SIGCONT))
	if o := k.ssh(t, "/root/u", who); !strings.Contains(o.Screen, "I am ada") {
		t.Errorf("ada is not in again:\n%s", o.Screen)
	}
}

// token is a FIDO key: what it signs says whether it was touched, and whether it verified
// who touched it (PROTOCOL.u2f of OpenSSH).
type token struct {
	key   ed25519.PrivateKey
	flags byte
}

const (
	skType   = "sk-ssh-ed25519@openssh.com"
	skFor    = "ssh:"
	touched  = 1
	verified = 4
)

func (k token) PublicKey() ssh.PublicKey {
	wire := ssh.Marshal(struct{ Type, Key, For string }{skType, string(k.key.Public().(ed25519.PublicKey)), skFor})
	p, err := ssh.ParsePublicKey(wire)
	if err != nil {
		panic(err)
	}
	return p
}

func (k token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte(skFor)), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{k.flags}, 1)
	signed := bytes.Join([][]byte{app[:], rest, message[:]}, nil)
	return &ssh.Signature{Format: skType, Blob: ed25519.Sign(k.key, signed), Rest: rest}, nil
}

// login tells whether sshd lets ada in with the token.
func (k token) login() error {
	c, err := ssh.Dial("tcp", "127.0.0.1:22", &ssh.ClientConfig{
		User: ada, Auth: []ssh.AuthMethod{ssh.PublicKeys(k)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		return err
	}
	out, err := s.CombinedOutput("id -un")
	if err == nil && strings.TrimSpace(string(out)) != ada {
		err = fmt.Errorf("%q", out)
	}
	return err
}

// Promise key-tokens.
func TestAKeyOfATokenIsGoodAsItsOptionsSay(t *testing.T) {
	k := keyed{joined(t)}
	for options, lets := range map[string][]byte{
		"":                              {touched, touched | verified},
		"no-touch-required":             {0, touched, verified, touched | verified},
		"verify-required":               {touched | verified},
		"restrict,verify-required":      {touched | verified},
		`from="127.0.0.7"`:              {},
		"no-touch-required,no-user-rc,": nil,
	} {
		_, private, err := ed25519.GenerateKey(nil)
		must(t, err)
		public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(token{key: private}.PublicKey())))
		if lets == nil {
			if out, err := k.Admin(t.Context(), "", "account", "add-key", ada, options+" "+public); err == nil {
				t.Errorf("%s is taken: %s", options, out)
			}
			continue
		}
		k.storeLine(t, "token "+options, strings.TrimSpace(options+" "+public))
		for _, flags := range []byte{0, touched, verified, touched | verified} {
			err := token{private, flags}.login()
			if in := err == nil; in != bytes.Contains(lets, []byte{flags}) || err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("options %q, flags %d: %v", options, flags, err)
			}
		}
	}
}
