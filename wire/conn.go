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
//
// It keeps no buffer: a packet's length is learnt before it is read, so that a
// thousand people who think about their password cost a thousand sockets and
// little else.
type Conn struct {
	c      *net.UnixConn
	settle func() // gives back the place at the door; nil: it has none
}

// NewConn wraps an accepted connection of a SOCK_SEQPACKET listener.
func NewConn(c *net.UnixConn) *Conn { return &Conn{c: c} }

// backlogWait is how long Dial waits where others have filled the queue.
const backlogWait = 250 * time.Millisecond

// Dial connects to the socket at path. A full backlog is waited for, until the
// context's deadline and at most 250 ms: others may have filled it for a moment, and
// a hung daemon must not hang its callers.
func Dial(ctx context.Context, path string) (*Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixpacket", path)
	for until := time.Now().Add(backlogWait); errors.Is(err, unix.EAGAIN) && time.Now().Before(until); {
		// The kernel has nothing to poll for here.
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect: %w: %w", ctx.Err(), err)
		case <-time.After(time.Millisecond):
		}
		c, err = d.DialContext(ctx, "unixpacket", path)
	}
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, errors.New("connect: not a unix socket")
	}
	return NewConn(u), nil
}

// Listen makes a socket at path with the given mode, in place of what a dead
// daemon left there. One that somebody listens on stays, and is ErrInUse. The folder
// must exist.
func Listen(path string, mode os.FileMode) (*net.UnixListener, error) {
	if err := removeDead(path); err != nil {
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

// Settle tells the door that let the connection in that it is counted elsewhere from
// now on. Elsewhere and a second time it does nothing.
func (c *Conn) Settle() {
	if c.settle != nil {
		c.settle()
	}
}

// gone tells whether the peer has hung up without a word.
func (c *Conn) gone() bool {
	raw, err := c.c.SyscallConn()
	if err != nil {
		return true
	}
	var n int
	var rerr error
	if err := raw.Control(func(fd uintptr) {
		n, _, rerr = unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT)
	}); err != nil {
		return true
	}
	return n == 0 && rerr == nil || errors.Is(rerr, unix.ECONNRESET)
}

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
	stop := c.deadline(ctx, c.c.SetReadDeadline)
	defer stop()
	raw, err := c.c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	var packet []byte
	var rerr error
	if err := raw.Read(func(fd uintptr) bool {
		packet, rerr = receivePacket(int(fd))
		return !errors.Is(rerr, unix.EAGAIN)
	}); err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	switch {
	case errors.Is(rerr, io.EOF), errors.Is(rerr, ErrMalformed):
		return nil, rerr
	case rerr != nil:
		return nil, fmt.Errorf("receive: %w", rerr)
	}
	return Parse(packet)
}

// receivePacket reads the next packet whole. It offers no room for control
// messages, so the kernel drops descriptors that a peer may have sent.
func receivePacket(fd int) ([]byte, error) {
	n, err := ignoringEINTR(func() (int, error) {
		n, _, err := unix.Recvfrom(fd, nil, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		return n, err //nolint:wrapcheck // the caller says what was being done
	})
	switch {
	case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
		return nil, io.EOF
	case err != nil:
		return nil, err
	case n > MaxPacket:
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, n, MaxPacket)
	}
	packet := make([]byte, n)
	got, err := ignoringEINTR(func() (int, error) {
		got, _, err := unix.Recvfrom(fd, packet, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		return got, err //nolint:wrapcheck // the caller says what was being done
	})
	switch {
	case err != nil:
		return nil, err
	case got != n: // another goroutine received on this connection
		return nil, fmt.Errorf("%w: %d bytes announced, %d came", ErrMalformed, n, got)
	}
	return packet, nil
}

func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// deadline applies the context to the connection: its deadline, and its end.
// After stop returns, this context moves no deadline any more, so that a request
// cancelled late does not end the next one.
func (c *Conn) deadline(ctx context.Context, set func(time.Time) error) (stop func()) {
	t, _ := ctx.Deadline() // the zero time means none
	_ = set(t)
	ended := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		_ = set(time.Unix(1, 0))
		close(ended)
	})
	return func() {
		if !unhook() {
			<-ended
		}
	}
}
