package hop

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sys/unix"
)

// Once is all that an agent for a login that ssh makes by itself is given.
type Once struct {
	// Socket is where ssh looks for it.
	Socket string `json:"socket"`
	// Seed is of the Ed25519 key.
	Seed []byte `json:"seed"`
	// Certificate of that key, and HostKeys of the machine that it is for, in ssh's wire form.
	Certificate []byte   `json:"certificate"`
	HostKeys    [][]byte `json:"host_keys"`
	// Account is the name to log in as.
	Account string `json:"account"`
}

const (
	// onceLife is as long as sshd waits for somebody to log in (LoginGraceTime).
	onceLife = 2 * time.Minute
	// expectExtension is asked by "sallyport known-hosts" before each login.
	expectExtension = "expect@sallyport"
	// agentSuccess is the first byte of an answer that is yes, of the ssh agent protocol.
	agentSuccess = 6
)

// ErrServed says that another agent is there already.
var ErrServed = errors.New("an agent is there already")

// Listen makes the agent's socket; ready is called once ssh can reach it. It serves until
// every login that was expected is over, or two minutes have gone.
func (o Once) Listen(ctx context.Context, ready func()) error {
	s, err := o.server()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, onceLife)
	defer cancel()
	l, err := listenAlone(ctx, o.Socket)
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false) // once it is closed another one may have that name
	s.ended = cancel
	ready()
	context.AfterFunc(ctx, func() {
		s.end()
		_ = l.Close()
	})
	for {
		c, err := l.Accept()
		if err != nil {
			return nil // it is closed at the end
		}
		go func() {
			defer func() { _ = c.Close() }()
			if own(c) {
				p := &peer{onceServer: s}
				_ = agent.ServeAgent(p, c)
				p.over()
			}
		}()
	}
}

// listenAlone makes a socket in a folder of one's own, in the place of one that nobody
// answers at.
func listenAlone(ctx context.Context, socket string) (*net.UnixListener, error) {
	folder := filepath.Dir(socket)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make the agent's folder: %w", err)
	}
	d, err := os.OpenFile(folder, unix.O_DIRECTORY|unix.O_NOFOLLOW|os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("the agent's folder: %w", err)
	}
	defer d.Close() //nolint:errcheck // it holds a lock, and that ends with it
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return nil, fmt.Errorf("the agent's folder: %w", err)
	}
	if int(st.Uid) != os.Getuid() || st.Mode&0o077 != 0 {
		return nil, fmt.Errorf("others may write %s: it must be yours, with mode 0700", folder)
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock the agent's folder: %w", err)
	}
	if _, err := Expect(ctx, socket, false); err == nil {
		return nil, ErrServed
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("agent: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return l, nil
}

// Expect returns the host keys of the machine that the agent at socket is for, and tells it
// of one login more. An error says that there is no agent.
func Expect(ctx context.Context, socket string, more bool) ([]ssh.PublicKey, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("no agent: %w", err)
	}
	defer c.Close() //nolint:errcheck // read only
	if !own(c) {
		return nil, errors.New("the agent is not yours")
	}
	if end, set := ctx.Deadline(); set {
		_ = c.SetDeadline(end)
	}
	out, err := agent.NewClient(c).Extension(expectExtension, ssh.Marshal(struct{ More bool }{more}))
	if err != nil || len(out) == 0 || out[0] != agentSuccess {
		return nil, fmt.Errorf("the agent has ended: %w", err)
	}
	var list []ssh.PublicKey
	for rest := out[1:]; len(rest) > 0; {
		var one struct {
			Key  []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(rest, &one); err != nil {
			return nil, fmt.Errorf("the agent's answer: %w", err)
		}
		k, err := ssh.ParsePublicKey(one.Key)
		if err != nil {
			return nil, fmt.Errorf("the agent's answer: %w", err)
		}
		list, rest = append(list, k), one.Rest
	}
	return list, nil
}

// onceServer is what the connections of one agent share.
type onceServer struct {
	Once
	certificate *ssh.Certificate
	signer      ssh.Signer
	ended       func()

	mu             sync.Mutex
	closed         bool
	expected, done int
}

func (o Once) server() (*onceServer, error) {
	if len(o.Seed) != ed25519.SeedSize {
		return nil, errors.New("the agent was given no key")
	}
	signer, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(o.Seed))
	if err != nil {
		return nil, fmt.Errorf("the agent's key: %w", err)
	}
	k, err := ssh.ParsePublicKey(o.Certificate)
	c, is := k.(*ssh.Certificate)
	if err != nil || !is || !bytes.Equal(c.Key.Marshal(), signer.PublicKey().Marshal()) {
		return nil, errors.New("the agent was given no certificate of its key")
	}
	return &onceServer{Once: o, certificate: c, signer: signer}, nil
}

// end gives the socket's name up; whoever expects something after that is refused.
func (s *onceServer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = os.Remove(s.Socket)
	}
}

// expect answers with the host keys, and counts a login that will come.
func (s *onceServer) expect(more bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("this agent has ended")
	}
	if more {
		s.expected++
	}
	out := []byte{agentSuccess}
	for _, k := range s.HostKeys {
		out = append(out, ssh.Marshal(struct{ Key []byte }{k})...)
	}
	return out, nil
}

// peer is one connection: it may know the session that it signs for.
type peer struct {
	signOnly
	*onceServer
	session []byte
	bound   bool // to the machine of the certificate
}

// over ends the agent after the last login that is expected.
func (p *peer) over() {
	if !p.bound {
		return
	}
	p.mu.Lock()
	p.done++
	last := p.done >= p.expected
	p.mu.Unlock()
	if last {
		p.end()
		p.ended()
	}
}

var (
	errBound   = errors.New("this agent signs for the machine that a certificate is for")
	errNoLogin = errors.New("this agent signs a login and nothing else")
)

// Extension implements agent.ExtendedAgent: what ssh says of the session (PROTOCOL.agent of
// OpenSSH), and what "sallyport known-hosts" says of one to come.
func (p *peer) Extension(kind string, contents []byte) ([]byte, error) {
	switch kind {
	case "session-bind@openssh.com":
		if p.bound || p.session != nil {
			return nil, errBound
		}
		session, err := p.bind(contents)
		if err != nil {
			return nil, err
		}
		p.session, p.bound = session, true
		return []byte{agentSuccess}, nil
	case expectExtension:
		var login struct{ More bool }
		if err := ssh.Unmarshal(contents, &login); err != nil {
			return nil, fmt.Errorf("expect: %w", err)
		}
		return p.expect(login.More)
	default:
		return nil, agent.ErrExtensionUnsupported
	}
}

// bind reads which session with which host it is: one that is not forwarded, with a host
// that has shown that it holds a key of the machine.
func (p *peer) bind(contents []byte) ([]byte, error) {
	var b struct {
		HostKey, Session, Signature []byte
		Forwarded                   bool
	}
	if err := ssh.Unmarshal(contents, &b); err != nil {
		return nil, fmt.Errorf("session-bind: %w", err)
	}
	host, err := ssh.ParsePublicKey(b.HostKey)
	if err != nil {
		return nil, fmt.Errorf("session-bind: %w", err)
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(b.Signature, &sig); err != nil {
		return nil, fmt.Errorf("session-bind: %w", err)
	}
	if err := host.Verify(b.Session, &sig); err != nil {
		return nil, fmt.Errorf("session-bind: %w", err)
	}
	if b.Forwarded || !p.machineHas(host) || len(b.Session) == 0 {
		return nil, errBound
	}
	return b.Session, nil
}

func (p *peer) machineHas(host ssh.PublicKey) bool {
	if c, is := host.(*ssh.Certificate); is {
		host = c.Key
	}
	return slices.ContainsFunc(p.HostKeys, func(k []byte) bool { return bytes.Equal(k, host.Marshal()) })
}

// List implements agent.Agent: before the session is known there is nothing.
func (p *peer) List() ([]*agent.Key, error) {
	if !p.bound {
		return nil, nil
	}
	return []*agent.Key{{Format: p.certificate.Type(), Blob: p.certificate.Marshal(), Comment: "sallyport"}}, nil
}

// Sign implements agent.Agent.
func (p *peer) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return p.SignWithFlags(key, data, 0)
}

// SignWithFlags implements agent.ExtendedAgent.
func (p *peer) SignWithFlags(key ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	if !p.bound {
		return nil, errBound
	}
	if !bytes.Equal(key.Marshal(), p.certificate.Marshal()) || !p.isLogin(data) {
		return nil, errNoLogin
	}
	return p.signer.Sign(nil, data) //nolint:wrapcheck // the agent's own answer
}

// isLogin tells whether somebody logs in with it to this machine as this account, in this
// session: RFC 4252, section 7, and publickey-hostbound of PROTOCOL of OpenSSH.
func (p *peer) isLogin(data []byte) bool {
	var login struct {
		Session               []byte
		Kind                  byte
		User, Service, Method string
		Signed                bool
		Algorithm             string
		Key                   []byte
		Rest                  []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(data, &login) != nil {
		return false
	}
	switch login.Method {
	case "publickey":
		if len(login.Rest) > 0 {
			return false
		}
	case "publickey-hostbound-v00@openssh.com":
		var host struct{ Key []byte }
		if ssh.Unmarshal(login.Rest, &host) != nil {
			return false
		}
		k, err := ssh.ParsePublicKey(host.Key)
		if err != nil || !p.machineHas(k) {
			return false
		}
	default:
		return false
	}
	const userauthRequest = 50
	return bytes.Equal(login.Session, p.session) && login.Kind == userauthRequest && login.User == p.Account &&
		login.Service == "ssh-connection" && login.Signed && login.Algorithm == p.certificate.Type() && bytes.Equal(login.Key, p.certificate.Marshal())
}

// Signers implements agent.Agent: nobody asks for them over a socket.
func (p *peer) Signers() ([]ssh.Signer, error) { return nil, errSignOnly }
