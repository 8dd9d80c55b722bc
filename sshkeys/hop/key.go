package hop

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sys/unix"
)

// Key is an Ed25519 key in memory, with an agent in a folder of its own. Make it with
// [NewKey], and end it with [Key.Close].
type Key struct {
	// Public is the public half.
	Public   ssh.PublicKey
	folder   string
	listener net.Listener
	ring     agent.ExtendedAgent
}

// NewKey makes one. Its folder is under XDG_RUNTIME_DIR, or where temporary files are, and
// nobody else's.
func NewKey(ctx context.Context) (*Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	k := &Key{ring: signOnly{agent.NewKeyring().(agent.ExtendedAgent)}} //nolint:forcetypeassert // documented: it is one
	if k.Public, err = ssh.NewPublicKey(public); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if err := k.ring.(signOnly).ExtendedAgent.Add(agent.AddedKey{PrivateKey: private, Comment: "sallyport ssh"}); err != nil { //nolint:forcetypeassert // made above
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if k.folder, err = os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "sallyport-ssh-"); err != nil {
		return nil, fmt.Errorf("make a folder for the key's agent: %w", err)
	}
	if k.listener, err = new(net.ListenConfig).Listen(ctx, "unix", k.socket()); err != nil {
		return nil, errors.Join(fmt.Errorf("agent: %w", err), os.RemoveAll(k.folder))
	}
	go k.serve()
	return k, nil
}

func (k *Key) socket() string { return filepath.Join(k.folder, "agent.sock") }

// serve answers until the listener is closed. The folder keeps everybody else out, but for
// root, who could read this process as well.
func (k *Key) serve() {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			if own(c) {
				_ = agent.ServeAgent(k.ring, c)
			}
		}()
	}
}

// own tells whether the peer runs as this process does.
func own(c net.Conn) bool {
	u, is := c.(*net.UnixConn)
	if !is {
		return false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return false
	}
	mine := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		mine = err == nil && int(cred.Uid) == os.Getuid()
	})
	return err == nil && mine
}

// Close ends the agent, and the key with it.
func (k *Key) Close() error {
	if err := errors.Join(k.listener.Close(), os.RemoveAll(k.folder)); err != nil {
		return fmt.Errorf("end the key's agent: %w", err)
	}
	return nil
}

// signOnly is an agent that tells its keys and signs, and takes no orders.
type signOnly struct{ agent.ExtendedAgent }

var errSignOnly = errors.New("this agent only signs")

func (signOnly) Add(agent.AddedKey) error                 { return errSignOnly }
func (signOnly) Remove(ssh.PublicKey) error               { return errSignOnly }
func (signOnly) RemoveAll() error                         { return errSignOnly }
func (signOnly) Lock([]byte) error                        { return errSignOnly }
func (signOnly) Unlock([]byte) error                      { return errSignOnly }
func (signOnly) Extension(string, []byte) ([]byte, error) { return nil, agent.ErrExtensionUnsupported }
