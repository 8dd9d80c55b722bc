package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
)

// Conn is one connection. One goroutine may send while another receives.
type Conn struct {
	c   *net.UnixConn
	buf []byte
}

// NewConn wraps an accepted connection of a SOCK_SEQPACKET listener.
func NewConn(c *net.UnixConn) *Conn { return &Conn{c: c} }

// Dial connects to the socket at path. It does not block on a full backlog: that
// is an error at once, as a hung daemon must not hang its callers.
func Dial(ctx context.Context, path string) (*Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return NewConn(c.(*net.UnixConn)), nil
}

// Listen makes a socket at path with the given mode, in place of what a dead
// daemon left there. The folder must exist.
func Listen(path string, mode os.FileMode) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.c.Close() } //nolint:wrapcheck // nothing to add

// Peer returns the other end's credentials, from the kernel.
func (c *Conn) Peer() (identity.Peer, error) {
	raw, err := c.c.SyscallConn()
	if err != nil {
		return identity.Peer{}, fmt.Errorf("peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var serr error
	if err := raw.Control(func(fd uintptr) {
		cred, serr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return identity.Peer{}, fmt.Errorf("peer credentials: %w", err)
	}
	if serr != nil {
		return identity.Peer{}, fmt.Errorf("peer credentials: %w", serr)
	}
	return identity.Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}, nil
}

// Send writes one message before the context's deadline.
func (c *Conn) Send(ctx context.Context, m *Message) error {
	b, err := m.Marshal()
	if err != nil {
		return err
	}
	defer func() {
		if m.Type == Answer || m.Type == Verdict || m.Type == Begin {
			clear(b)
		}
	}()
	stop := c.deadline(ctx, c.c.SetWriteDeadline)
	defer stop()
	if _, err := c.c.Write(b); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// Receive reads one message before the context's deadline. It returns io.EOF
// when the other end closed the connection, and ErrMalformed for a packet that
// is no message. The message is the caller's; the next Receive does not touch it.
func (c *Conn) Receive(ctx context.Context) (*Message, error) {
	if c.buf == nil {
		c.buf = make([]byte, MaxPacket)
	}
	stop := c.deadline(ctx, c.c.SetReadDeadline)
	defer stop()
	n, _, flags, _, err := c.c.ReadMsgUnix(c.buf, nil)
	switch {
	case err != nil && errors.Is(err, io.EOF), err == nil && n == 0:
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("receive: %w", err)
	case flags&unix.MSG_TRUNC != 0:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxPacket)
	}
	packet := make([]byte, n)
	copy(packet, c.buf[:n])
	clear(c.buf[:n])
	return Parse(packet)
}

// deadline applies the context to the connection: its deadline, and its end.
func (c *Conn) deadline(ctx context.Context, set func(time.Time) error) (stop func()) {
	t, _ := ctx.Deadline() // the zero time means none
	_ = set(t)
	unhook := context.AfterFunc(ctx, func() { _ = set(time.Unix(1, 0)) })
	return func() { unhook() }
}
