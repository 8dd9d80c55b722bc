package pam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

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
	// MaxSilent connections may be open that have not said what they want, and
	// MaxSilentPerUser of each user that is not root.
	MaxSilent        = 4608
	MaxSilentPerUser = 16
	reserved         = 4096 // of MaxSilent, for root alone

	beginTimeout = 5 * time.Second
	sendTimeout  = 5 * time.Second
)

// What a person is told who has no place, or has one no more.
const (
	crowdedText = "Too many sign-ins are open for you.\nClose one, or try again in a moment."
	endedText   = "Too many sign-ins are open for you; this one was ended."
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
// waits for them and returns nil. It closes the listeners. Places are shared by all of
// them, but not those of who has said nothing yet.
func (s *Server) Serve(ctx context.Context, listeners ...*net.UnixListener) error {
	r := &rooms{prompts: newPlaces(promptCapacity()), errands: newPlaces(errandCapacity())}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error {
			return wire.Serve(ctx, l, wire.Door{
				Limits: wire.Limits{Open: MaxSilent, PerUser: MaxSilentPerUser, Reserved: reserved},
				Handle: func(ctx context.Context, c *wire.Conn, peer identity.Peer) { s.serve(ctx, c, peer, r) },
				Full:   s.turnAway, Log: s.Log,
			})
		})
	}
	return g.Wait() //nolint:wrapcheck // it says what it was doing
}

// rooms are the places of both kinds of conversation.
type rooms struct{ prompts, errands *places }

// turnAway decides nothing: the verdict's zero value is "cannot decide".
func (s *Server) turnAway(ctx context.Context, c *wire.Conn, _ identity.Peer) {
	_ = s.send(ctx, c, verdictMessage(identity.Verdict{}))
}

// serve holds one conversation, whatever happens in it.
func (s *Server) serve(ctx context.Context, c *wire.Conn, peer identity.Peer, r *rooms) {
	if err := s.converse(ctx, c, peer, r); err != nil {
		s.Log.Info("conversation ended early", "uid", peer.UID, "pid", peer.PID, "err", err)
	}
}

func (s *Server) converse(ctx context.Context, c *wire.Conn, peer identity.Peer, r *rooms) error {
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
	conv := newConversation(ctx, c, s.promptTimeout())
	defer conv.close()
	if !conv.enter(r, &login) {
		return s.refuse(ctx, conv, &login)
	}
	defer conv.leave()
	c.Settle()
	if err := s.send(ctx, c, wire.New(wire.Working)); err != nil {
		return err
	}
	// In a crowd, everybody hears the first word before anybody's decision begins.
	runtime.Gosched()
	v := s.decide(conv, login)
	defer v.Password.Wipe()
	fault := conv.fault()
	switch {
	case errors.Is(fault, errCrowded):
		return s.refuse(ctx, conv, &login)
	case errors.Is(fault, errEnded), errors.Is(fault, errLate):
		s.Log.Info("an open prompt was ended", "user", login.User, "origin", login.Origin(), "why", fault)
		_ = s.send(ctx, c, tellMessage(identity.TellError, endText(fault)))
		v = identity.Verdict{Code: identity.PromptEnded}
	case v.Code == identity.Granted && fault != nil:
		s.Log.Warn("nothing granted: the conversation failed", "user", login.User, "err", fault)
		v = identity.Verdict{Code: identity.ConversationFailed}
	}
	return s.send(ctx, c, verdictMessage(v))
}

// refuse turns away a conversation for which there is no place, and says why to a person.
func (s *Server) refuse(ctx context.Context, conv *conversation, l *identity.Login) error {
	s.Log.Warn("too many open conversations", "operation", l.Operation, "user", l.User, "origin", l.Origin())
	if mayAsk(l.Operation) || l.Operation == identity.OpAccount {
		_ = s.send(ctx, conv.c, tellMessage(identity.TellError, crowdedText))
	}
	return s.send(ctx, conv.c, verdictMessage(identity.Verdict{}))
}

// mayAsk tells which operations are prompts from the beginning; of the others, only the
// account check may come to ask.
func mayAsk(op identity.Operation) bool {
	return op == identity.OpAuthenticate || op == identity.OpChangePassword
}

func endText(fault error) string {
	if errors.Is(fault, errEnded) {
		return endedText
	}
	return "This sign-in waited too long for an answer."
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

// Why a conversation ends.
var (
	errNoAnswer = errors.New("no answer")                            // the person or the host went away
	errLate     = fmt.Errorf("%w in time", errNoAnswer)              // the person thought for too long
	errEnded    = errors.New("another sign-in took its place")       // while its prompt was open
	errCrowded  = errors.New("too many prompts are open from there") // an errand that has to ask
)
