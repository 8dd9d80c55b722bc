package hop

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func newSigner(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s, private.Seed()
}

// scene is a machine, and what its agent is given.
type onceScene struct {
	Once
	t           *testing.T
	host        ssh.Signer
	certificate *ssh.Certificate
	ended       chan error
}

func newOnce(t *testing.T) *onceScene {
	t.Helper()
	folder, err := os.MkdirTemp("", "once")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	host, _ := newSigner(t)
	authority, _ := newSigner(t)
	key, seed := newSigner(t)
	c := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"p"}, ValidBefore: ssh.CertTimeInfinity}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	return &onceScene{t: t, host: host, certificate: c, ended: make(chan error, 1), Once: Once{
		Socket: filepath.Join(folder, "a", "sock"), Seed: seed, Certificate: c.Marshal(), HostKeys: [][]byte{host.PublicKey().Marshal()}, Account: "ada",
	}}
}

func (s *onceScene) listen() {
	s.t.Helper()
	ready := make(chan struct{})
	go func() { s.ended <- s.Listen(context.Background(), func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-s.ended:
		s.t.Fatal(err)
	}
}

func (s *onceScene) dial() (agent.ExtendedAgent, net.Conn) {
	s.t.Helper()
	c, err := net.Dial("unix", s.Socket)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return agent.NewClient(c), c
}

// bind says what ssh says after the key exchange with a host.
func bind(t *testing.T, a agent.ExtendedAgent, host ssh.Signer, forwarded bool) error {
	t.Helper()
	return bindAs(t, a, host, host, forwarded)
}

// bindAs is bind where another signed than the one that is named.
func bindAs(t *testing.T, a agent.ExtendedAgent, host, by ssh.Signer, forwarded bool) error {
	t.Helper()
	sig, err := by.Sign(rand.Reader, []byte("session"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Extension("session-bind@openssh.com", ssh.Marshal(struct {
		Key, Session, Sig []byte
		Forwarded         bool
	}{host.PublicKey().Marshal(), []byte("session"), ssh.Marshal(sig), forwarded}))
	return err
}

// userauth is what a login signs.
type userauth struct {
	Session               []byte
	Kind                  byte
	User, Service, Method string
	Signed                bool
	Algorithm             string
	Key                   []byte
}

func (s *onceScene) login() userauth {
	return userauth{[]byte("session"), 50, "ada", "ssh-connection", "publickey", true, s.certificate.Type(), s.Certificate}
}

// Promise plain-ssh-agent.
func TestTheAgentOfALoginSignsThatLoginAndNothingElse(t *testing.T) {
	s := newOnce(t)
	s.listen()
	a, _ := s.dial()
	if list, err := a.List(); err != nil || len(list) != 0 {
		t.Errorf("before the session is known: %v, %v", list, err)
	}
	if _, err := a.Sign(s.certificate, ssh.Marshal(s.login())); err == nil {
		t.Error("it signs for nobody knows whom")
	}
	other, _ := newSigner(t)
	for why, tried := range map[string]error{"another host": bind(t, a, other, false), "another host that names the machine's key": bindAs(t, a, s.host, other, false), "a forwarded agent": bind(t, a, s.host, true)} {
		if tried == nil {
			t.Errorf("%s is taken", why)
		}
	}
	if err := bind(t, a, s.host, false); err != nil {
		t.Fatal(err)
	}
	if err := bind(t, a, s.host, false); err == nil {
		t.Error("a second session on one connection")
	}
	if list, err := a.List(); err != nil || len(list) != 1 || list[0].Format != s.certificate.Type() {
		t.Errorf("%v, %v", list, err)
	}
	good := ssh.Marshal(s.login())
	sig, err := a.Sign(s.certificate, good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.certificate.Key.Verify(good, sig); err != nil {
		t.Error(err)
	}
	bound := s.login()
	bound.Method = "publickey-hostbound-v00@openssh.com"
	withHost := func(k ssh.PublicKey) []byte {
		return append(ssh.Marshal(bound), ssh.Marshal(struct{ K []byte }{k.Marshal()})...)
	}
	if _, err := a.Sign(s.certificate, withHost(s.host.PublicKey())); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*userauth){
		"another session":   func(l *userauth) { l.Session = []byte("sessiom") },
		"another account":   func(l *userauth) { l.User = "bob" },
		"another service":   func(l *userauth) { l.Service = "ssh-userauth" },
		"another method":    func(l *userauth) { l.Method = "hostbased" },
		"another message":   func(l *userauth) { l.Kind = 51 },
		"another key":       func(l *userauth) { l.Key = s.host.PublicKey().Marshal() },
		"another algorithm": func(l *userauth) { l.Algorithm = "ssh-ed25519" },
		"no signature":      func(l *userauth) { l.Signed = false },
	} {
		l := s.login()
		change(&l)
		if _, err := a.Sign(s.certificate, ssh.Marshal(l)); err == nil {
			t.Errorf("%s is signed", what)
		}
	}
	for what, data := range map[string][]byte{"more behind it": append(good, 0), "a login elsewhere": withHost(other.PublicKey()), "a text": []byte("SSHSIG and so on")} {
		if _, err := a.Sign(s.certificate, data); err == nil {
			t.Errorf("%s is signed", what)
		}
	}
	if _, err := a.Sign(s.certificate.Key, good); err == nil {
		t.Error("it signs with the key alone")
	}
	if a.RemoveAll() == nil || a.Lock([]byte("x")) == nil {
		t.Error("it takes orders")
	}
}

// Promise plain-ssh-agent.
func TestTheAgentEndsWithTheLastLoginThatIsExpected(t *testing.T) {
	s := newOnce(t)
	s.listen()
	if err := s.Listen(t.Context(), func() { t.Error("a second one at the same place") }); !errors.Is(err, ErrServed) {
		t.Error(err)
	}
	for range 2 {
		if keys, err := Expect(t.Context(), s.Socket, true); err != nil || len(keys) != 1 || string(keys[0].Marshal()) != string(s.HostKeys[0]) {
			t.Fatalf("%v, %v", keys, err)
		}
	}
	for range 2 {
		a, c := s.dial()
		if err := bind(t, a, s.host, false); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if _, err := os.Lstat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is left: %v", err)
	}
	if _, err := Expect(t.Context(), s.Socket, true); err == nil {
		t.Error("it is expected to answer")
	}
	s.listen() // another one, at the same place
}

// Promise plain-ssh-agent.
func TestALoginThatIsExpectedKeepsTheAgent(t *testing.T) {
	o := newOnce(t)
	s, err := o.server()
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	s.ended = func() { ended = true }
	for _, more := range []bool{true, true, false} { // the last one only asks
		if _, err := s.expect(more); err != nil {
			t.Fatal(err)
		}
	}
	(&peer{onceServer: s}).over() // one that was no login
	for i, last := range []bool{false, true} {
		if (&peer{onceServer: s, bound: true}).over(); ended != last {
			t.Errorf("after %d of 2 logins: ended %v", i+1, ended)
		}
	}
	if _, err := s.expect(false); err == nil {
		t.Error("it is expected to answer after its end")
	}
}

// Promise plain-ssh-agent.
func TestTheAgentsFolderIsItsOwners(t *testing.T) {
	s := newOnce(t)
	folder := filepath.Dir(s.Socket)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel() // where it serves it ends at once
	if err := os.Chmod(folder, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(over, func() {}); err == nil {
		t.Error("others could put another socket there")
	}
	for what, change := range map[string]func(*Once){
		"no key":             func(o *Once) { o.Seed = nil },
		"another's":          func(o *Once) { _, o.Seed = newSigner(t) },
		"no certificate":     func(o *Once) { o.Certificate = nil },
		"a key in its stead": func(o *Once) { o.Certificate = o.HostKeys[0] },
	} {
		o := newOnce(t).Once
		change(&o)
		if err := o.Listen(over, func() {}); err == nil {
			t.Errorf("%s: it serves", what)
		}
	}
}
