package pam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// Authority decides. Decide may take its time and may hold the conversation as
// often as it likes; it must return soon after ctx ends. The caller wipes the
// login's secrets and the verdict's password afterwards.
type Authority interface {
	Decide(ctx context.Context, l identity.Login, conv identity.Conversation) identity.Verdict
}

// Limits and deadlines. The zero [Server] uses them.
const (
	DefaultPromptTimeout = 5 * time.Minute
	// MaxOpen conversations in total, and MaxOpenPerUser for each user that is
	// not root: nobody can take the last place at the door from root's sshd.
	MaxOpen        = 4096
	MaxOpenPerUser = 32
	// reserved of MaxOpen are for root alone.
	reserved = 1024

	beginTimeout = 5 * time.Second
	sendTimeout  = 5 * time.Second
)

// Server answers pam.sock.
type Server struct {
	Authority Authority
	Log       *slog.Logger
	// PromptTimeout is how long a person may think about one prompt. Zero means
	// DefaultPromptTimeout.
	PromptTimeout time.Duration
}

// Serve accepts conversations until ctx ends, then ends those that are open,
// waits for them and returns nil. It closes the listener.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	return wire.Serve(ctx, l, wire.Door{ //nolint:wrapcheck // it says what it was doing
		Limits: wire.Limits{Open: MaxOpen, PerUser: MaxOpenPerUser, Reserved: reserved},
		Handle: s.serve, Full: s.turnAway, Log: s.Log,
	})
}

// turnAway decides nothing: the verdict's zero value is "cannot decide".
func (s *Server) turnAway(ctx context.Context, c *wire.Conn, _ identity.Peer) {
	_ = s.send(ctx, c, verdictMessage(identity.Verdict{}))
}

// serve holds one conversation, whatever happens in it.
func (s *Server) serve(ctx context.Context, c *wire.Conn, peer identity.Peer) {
	if err := s.converse(ctx, c, peer); err != nil {
		s.Log.Info("conversation ended early", "uid", peer.UID, "pid", peer.PID, "err", err)
	}
}

func (s *Server) converse(ctx context.Context, c *wire.Conn, peer identity.Peer) error {
	bctx, cancel := context.WithTimeout(ctx, beginTimeout)
	m, err := c.Receive(bctx)
	cancel()
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer m.Wipe()
	login, err := parseBegin(m, peer)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := s.send(ctx, c, wire.New(wire.Working)); err != nil {
		return err
	}
	// In a crowd, everybody hears the first word before anybody's decision begins.
	runtime.Gosched()
	conv := newConversation(ctx, c, s.promptTimeout())
	defer conv.close()
	v := s.decide(conv, login)
	defer v.Password.Wipe()
	if v.Code == identity.Granted {
		if err := conv.fault(); err != nil {
			s.Log.Warn("nothing granted: the conversation failed", "user", login.User, "err", err)
			v = identity.Verdict{Code: identity.ConversationFailed}
		}
	}
	return s.send(ctx, c, verdictMessage(v))
}

// decide asks the authority. A panic in it is one conversation's misfortune.
func (s *Server) decide(conv *conversation, l identity.Login) (v identity.Verdict) {
	defer func() {
		if r := recover(); r != nil {
			// Not the value itself: it may hold what the person typed.
			s.Log.Error("panic while deciding", "user", l.User, "service", l.Service, "type", fmt.Sprintf("%T", r))
			v = identity.Verdict{Code: identity.Unavailable}
		}
	}()
	return s.Authority.Decide(conv.ctx, l, conv)
}

func (s *Server) send(ctx context.Context, c *wire.Conn, m *wire.Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return c.Send(ctx, m) //nolint:wrapcheck // Send says what it was doing
}

func (s *Server) promptTimeout() time.Duration {
	if s.PromptTimeout <= 0 {
		return DefaultPromptTimeout
	}
	return s.PromptTimeout
}

// errNoAnswer ends a conversation whose person or host went away.
var errNoAnswer = errors.New("no answer")
