package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/report"
)

var errNoCertificate = errors.New("no certificate came")

// changed: a client that is not OpenSSH's shows a real sshd a certificate of which each field
// is changed in turn, and one that says the same by a key that is not the realm's.
func (n *hosts) changed(t *testing.T) {
	key, other := newSigner(t), newSigner(t)
	certificate := n.certificateFor(t, key.PublicKey(), "target")
	in := func(change func(*ssh.Certificate), by ssh.Signer) (string, error) {
		c := parsedCertificate(t, certificate)
		if change != nil {
			change(c)
		}
		signer, err := ssh.NewCertSigner(c, by)
		must(t, err)
		client, err := ssh.Dial("tcp", "10.9.0.11:22", &ssh.ClientConfig{
			User: ada, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 20 * time.Second,
			HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err != nil {
			return "", fmt.Errorf("log in: %w", err)
		}
		defer client.Close()
		s, err := client.NewSession()
		must(t, err)
		out, err := s.CombinedOutput("id -un")
		return string(out), err //nolint:wrapcheck // for the test
	}
	if who, err := in(nil, key); err != nil || who != ada+"\n" {
		t.Fatalf("as it is: %q, %v", who, err)
	}
	for field, change := range map[string]func(*ssh.Certificate){
		"nonce":           func(c *ssh.Certificate) { c.Nonce[0] ^= 1 },
		"serial":          func(c *ssh.Certificate) { c.Serial++ },
		"type":            func(c *ssh.Certificate) { c.CertType = ssh.HostCert },
		"key id":          func(c *ssh.Certificate) { c.KeyId += "0" },
		"principals":      func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, ada) },
		"no principals":   func(c *ssh.Certificate) { c.ValidPrincipals = nil },
		"begin":           func(c *ssh.Certificate) { c.ValidAfter-- },
		"end":             func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity },
		"critical option": func(c *ssh.Certificate) { c.CriticalOptions["force-command"] = "id -un" },
		"extension":       func(c *ssh.Certificate) { c.Extensions["permit-port-forwarding"] = "" },
		"no extension":    func(c *ssh.Certificate) { delete(c.Extensions, "permit-pty") },
		"reserved":        func(c *ssh.Certificate) { c.Reserved = []byte{1} },
		"authority":       func(c *ssh.Certificate) { c.SignatureKey = other.PublicKey() },
		"signature":       func(c *ssh.Certificate) { c.Signature.Blob[0] ^= 1 },
		"signed anew":     func(c *ssh.Certificate) { must(t, c.SignCert(rand.Reader, other)) },
	} {
		if who, err := in(change, key); err == nil || who != "" || !strings.Contains(err.Error(), "unable to authenticate") {
			t.Errorf("%s is changed: %q, %v", field, who, err)
		}
	}
	if who, err := in(func(c *ssh.Certificate) { c.Key = other.PublicKey() }, other); err == nil || who != "" {
		t.Errorf("key is changed: %q, %v", who, err)
	}
	if who, err := in(nil, key); err != nil || who != ada+"\n" {
		t.Errorf("as it is, again: %q, %v", who, err)
	}
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	must(t, err)
	s, err := ssh.NewSignerFromSigner(private)
	must(t, err)
	return s
}

func parsedCertificate(t *testing.T, wire []byte) *ssh.Certificate {
	t.Helper()
	k, err := ssh.ParsePublicKey(bytes.Clone(wire)) // what is parsed lies in it
	must(t, err)
	c, is := k.(*ssh.Certificate)
	if !is {
		t.Fatal("it is no certificate")
	}
	return c
}

// certificateFor has the daemon of the laptop certify a key for ada, whom a rule lets log in
// at that host.
func (n *hosts) certificateFor(t *testing.T, key ssh.PublicKey, host string) (certificate []byte) {
	t.Helper()
	uid, err := strconv.Atoi(strings.TrimSpace(script(t, n.Realm, "id -u "+ada)))
	must(t, err)
	must(t, onThreadOf(uid, func() error {
		daemon, id := control.Client{Path: n.Path("/run/sallyport/control.sock")}, uuid.NewString()
		r, err := control.One[report.Requested](t.Context(), daemon, report.VerbAsk, report.AskArgs{ID: id, Hops: []report.Hop{{Host: host, Port: 22}}})
		if err == nil && r.Request != nil {
			r, err = control.One[report.Requested](t.Context(), daemon, report.VerbCertify, report.RequestArgs{ID: r.Request.ID, PublicKey: key.Marshal()})
		}
		if err != nil || r.Certified == nil || len(r.Certified.Hops) != 1 {
			return errors.Join(err, errNoCertificate)
		}
		certificate = r.Certified.Hops[0].Certificate
		return nil
	}))
	return certificate
}

// onThreadOf runs f on a thread that is that user's, and ends with it.
func onThreadOf(uid int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread goes
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- errno
			return
		}
		done <- f()
	}()
	return <-done
}
