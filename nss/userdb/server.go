package userdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/sallyport-auth/sallyport/wire"
)

// Service is the name of this service, and of its socket.
const Service = "io.sallyport"

// How many may be connected at once. Root's processes, logind among them, always
// find room.
const (
	maxOpen        = 1024
	maxOpenPerUser = 64
	reserved       = 256
)

// Server answers on the socket.
type Server struct {
	Directory *Directory
	Log       *slog.Logger
	// Idle is how long nobody has to be connected for Serve to end, so that a
	// process that systemd starts on demand needs no memory when it is not asked.
	// Zero: for ever.
	Idle time.Duration
}

// Serve accepts connections until ctx ends or the server is idle, ends those that are
// open, waits for them and returns nil. It closes the listener.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer func() {
		cancel()
		_ = l.Close()
		open.Wait()
	}()
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := &room{byUID: map[uint32]int{}, idleSince: time.Now()}
	for {
		if s.Idle > 0 && ctx.Err() == nil {
			_ = l.SetDeadline(time.Now().Add(s.Idle)) // or it waits without one
			if ctx.Err() != nil {
				return nil
			}
		}
		c, err := l.AcceptUnix()
		switch {
		case err == nil && ctx.Err() == nil:
			open.Go(func() { s.admit(ctx, c, r) })
		case err == nil:
			_ = c.Close()
			return nil
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
			if r.idleFor(time.Now()) >= s.Idle {
				return nil
			}
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			s.Log.Warn("accept a connection", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // out of descriptors passes
			}
		default:
			return fmt.Errorf("accept: %w", err)
		}
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func (s *Server) admit(ctx context.Context, c *net.UnixConn, r *room) {
	defer c.Close() //nolint:errcheck // the peer sees it
	peer, err := wire.NewConn(c).Peer()
	if err != nil {
		s.Log.Error("refuse a connection", "error", err)
		return
	}
	if !r.enter(peer.UID) {
		s.Log.Warn("too many open connections", "uid", peer.UID)
		return
	}
	defer r.leave(peer.UID)
	if err := s.serve(ctx, c); err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		s.Log.Debug("connection ended", "uid", peer.UID, "pid", peer.PID, "error", err)
	}
}

// room counts who is connected.
type room struct {
	mu        sync.Mutex
	total     int
	byUID     map[uint32]int
	idleSince time.Time
}

func (r *room) enter(uid uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total >= maxOpen || (uid != 0 && (r.total >= maxOpen-reserved || r.byUID[uid] >= maxOpenPerUser)) {
		return false
	}
	r.total++
	r.byUID[uid]++
	return true
}

func (r *room) leave(uid uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total--
	if r.byUID[uid]--; r.byUID[uid] == 0 {
		delete(r.byUID, uid)
	}
	r.idleSince = time.Now()
}

func (r *room) idleFor(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total > 0 {
		return 0
	}
	return now.Sub(r.idleSince)
}
