package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// Limits say how many connections may be open at once. Zero lets nobody in.
type Limits struct {
	// Open in total, and PerUser for each user that is not root.
	Open, PerUser int
	// Reserved of Open are for root alone, so that nobody can take the last place
	// at the door from root's sshd.
	Reserved int
}

// Door is what [Serve] does with connections. Handle, Full and Log must be set.
type Door struct {
	Limits Limits
	// Handle serves a connection, in a goroutine of its own; the connection is closed
	// when it returns. It must return soon after ctx ends. A connection counts against
	// Limits until then, or until Handle calls [Conn.Settle].
	Handle func(ctx context.Context, c *Conn, peer identity.Peer)
	// Full answers a connection for which there is no place. It runs between two
	// accepts, so it must not wait.
	Full func(ctx context.Context, c *Conn, peer identity.Peer)
	Log  *slog.Logger
}

// Serve accepts connections until ctx ends, then ends those that are open, waits
// for them and returns nil. It closes the listener.
//
// Somebody may connect and hang up as fast as the kernel lets them, and everybody
// else waits in the same queue. So a peer that has gone, and one for whom there is
// no place, cost a few system calls: no goroutine, and no line in the log each.
func Serve(ctx context.Context, l *net.UnixListener, s Door) error {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(ctx, func() { _ = l.Close() })
	var open sync.WaitGroup
	defer func() {
		unhook()
		cancel()
		_ = l.Close()
		open.Wait()
	}()
	p := &places{limits: s.Limits, byUID: map[uint32]int{}}
	refused := crowd{log: s.Log}
	for {
		c, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case err != nil && passes(err):
			s.Log.Warn("accept a connection", "socket", l.Addr(), "err", err)
			if !pause(ctx) {
				return nil
			}
			continue
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		conn := NewConn(c)
		if peer, ok := s.admit(ctx, conn, p, &refused); ok {
			open.Go(func() {
				defer conn.Close() //nolint:errcheck // the peer sees it
				defer conn.Settle()
				s.Handle(ctx, conn, peer)
			})
		}
	}
}

// admit finds a place for a connection, or closes it.
func (s *Door) admit(ctx context.Context, c *Conn, p *places, refused *crowd) (peer identity.Peer, ok bool) {
	defer func() {
		if !ok {
			_ = c.Close()
		}
	}()
	if c.gone() {
		return peer, false
	}
	peer, err := c.Peer()
	if err != nil {
		s.Log.Error("refuse a connection", "err", err)
		return peer, false
	}
	if !p.take(peer.UID) {
		refused.note(peer.UID, time.Now())
		s.Full(ctx, c, peer)
		return peer, false
	}
	c.settle = sync.OnceFunc(func() { p.leave(peer.UID) })
	return peer, true
}

// crowd logs those who were turned away, once in a while and not each.
type crowd struct {
	log   *slog.Logger
	last  time.Time
	times int
}

const crowdEvery = 10 * time.Second

func (r *crowd) note(uid uint32, now time.Time) {
	r.times++
	if now.Sub(r.last) < crowdEvery {
		return
	}
	r.log.Warn("too many open connections", "uid", uid, "refused", r.times)
	r.last, r.times = now, 0
}

// places counts the open connections.
type places struct {
	limits Limits
	mu     sync.Mutex
	total  int
	byUID  map[uint32]int
}

func (p *places) take(uid uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total >= p.limits.Open {
		return false
	}
	if uid != 0 && (p.total >= p.limits.Open-p.limits.Reserved || p.byUID[uid] >= p.limits.PerUser) {
		return false
	}
	p.total++
	p.byUID[uid]++
	return true
}

func (p *places) leave(uid uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if p.byUID[uid]--; p.byUID[uid] == 0 {
		delete(p.byUID, uid)
	}
}

// passes tells errors of accept(2) that pass: out of descriptors or memory, or a
// peer that was gone before we came.
func passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

// pause keeps a daemon that is out of descriptors from spinning on accept. It
// tells whether there is still somebody to serve.
func pause(ctx context.Context) bool {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
