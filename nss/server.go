package nss

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// Directory answers lookups. Names come as they were typed: the directory folds
// case and drops the realm (identity.Canonical), and leaves out what exists
// locally. Errors that are identity.ErrNotFound or identity.ErrName mean that
// there is none; every other error means that nobody can tell.
type Directory interface {
	AccountByName(ctx context.Context, name string) (identity.Account, error)
	AccountByUID(ctx context.Context, uid uint32) (identity.Account, error)
	GroupByName(ctx context.Context, name string) (identity.GroupEntry, error)
	GroupByGID(ctx context.Context, gid uint32) (identity.GroupEntry, error)
	// GroupsOf lists the ids of all groups of an account, its own among them.
	GroupsOf(ctx context.Context, name string) (identity.GroupIDs, error)
	// Accounts calls each for every account until it returns an error.
	Accounts(ctx context.Context, each func(identity.Account) error) error
	// Groups calls each for every group until it returns an error.
	Groups(ctx context.Context, each func(identity.GroupEntry) error) error
}

// Keys answers sallyport-keys. Who may ask for whose keys is its decision, from
// the peer; identity.ErrNotFound means none.
type Keys interface {
	KeysFor(ctx context.Context, peer identity.Peer, name string) ([]identity.SSHKey, error)
	// CertificateFor are the lines of authorized_keys(5) that an ssh certificate, in base64,
	// is good by for that account; none where it is good for nothing.
	CertificateFor(ctx context.Context, peer identity.Peer, name, certificate string) ([]string, error)
}

// SubIDs answers "sallyport subids". Who may ask for whose range is its
// decision, from the peer; identity.ErrNotFound means none.
type SubIDs interface {
	SubIDsOf(ctx context.Context, peer identity.Peer, name string) (identity.IDRange, error)
}

// Limits and deadlines. The zero [Server] uses them.
const (
	// DefaultDeadline is for one answer. It is below the 5 s that the C module
	// waits, so that the daemon's "cannot tell" comes before the caller gives up.
	DefaultDeadline = 4500 * time.Millisecond
	// IdleTimeout ends a connection that asks nothing.
	IdleTimeout = 30 * time.Second
	// MaxOpen connections in total, MaxOpenPerUser for each user but root.
	MaxOpen        = 4096
	MaxOpenPerUser = 256
	reserved       = 1024 // of MaxOpen, for root alone

	listDeadline = time.Minute
)

// Server answers lookup.sock.
type Server struct {
	Directory Directory
	Keys      Keys   // nil: keys are Unavailable
	SubIDs    SubIDs // nil: they are Unavailable
	Log       *slog.Logger
	// Self is the daemon's own process id. Requests from it are answered
	// Unavailable at once, so that a library in the daemon that looks a name up
	// does not wait for the daemon to ask itself. Zero: nobody is.
	Self int32
	// Deadline is how long one answer may take. Zero means DefaultDeadline.
	Deadline time.Duration
}

// Serve accepts connections until ctx ends, then ends those that are open,
// waits for them and returns nil. It closes the listener.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	return wire.Serve(ctx, l, wire.Door{ //nolint:wrapcheck // it says what it was doing
		Limits: wire.Limits{Open: MaxOpen, PerUser: MaxOpenPerUser, Reserved: reserved},
		Handle: s.serve, Full: s.turnAway, Log: s.Log,
	})
}

// turnAway says that it cannot tell.
func (s *Server) turnAway(ctx context.Context, c *wire.Conn, _ identity.Peer) {
	_ = s.send(ctx, c, wire.New(wire.Unavailable))
}

func (s *Server) serve(ctx context.Context, c *wire.Conn, peer identity.Peer) {
	if s.Self != 0 && peer.PID == s.Self {
		s.turnAway(ctx, c, peer)
		return
	}
	for {
		if err := s.one(ctx, c, peer); err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				s.Log.Debug("lookup connection ended", "uid", peer.UID, "pid", peer.PID, "err", err)
			}
			return
		}
	}
}

// one receives and answers one request.
func (s *Server) one(ctx context.Context, c *wire.Conn, peer identity.Peer) error {
	rctx, cancel := context.WithTimeout(ctx, IdleTimeout)
	m, err := c.Receive(rctx)
	cancel()
	if err != nil {
		return err //nolint:wrapcheck // Receive says what it was doing
	}
	if m.Type < wire.GetAccountByName || m.Type > wire.GetSubIDs {
		return fmt.Errorf("%w: type %#02x is no lookup", wire.ErrMalformed, uint8(m.Type))
	}
	if err := s.send(ctx, c, wire.New(wire.Working)); err != nil {
		return err
	}
	d := s.deadline()
	if m.Type == wire.ListAccounts || m.Type == wire.ListGroups {
		d = listDeadline
	}
	actx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err = s.answer(actx, &reply{s: s, c: c}, m, peer)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSend):
		return err
	case errors.Is(err, identity.ErrNotFound), errors.Is(err, identity.ErrName):
		return s.send(ctx, c, wire.New(wire.NotFound))
	default:
		s.Log.Info("lookup not answered", "type", uint8(m.Type), "err", err)
		return s.send(ctx, c, wire.New(wire.Unavailable))
	}
}

// answer asks the directory. A panic in it is one request's misfortune.
func (s *Server) answer(ctx context.Context, r *reply, m *wire.Message, peer identity.Peer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the directory: %v", p)
		}
	}()
	switch name := m.String(wire.Name); m.Type {
	case wire.GetAccountByName:
		a, err := s.Directory.AccountByName(ctx, name)
		return r.account(ctx, a, err)
	case wire.GetAccountByUID:
		a, err := s.Directory.AccountByUID(ctx, m.Number(wire.UID))
		return r.account(ctx, a, err)
	case wire.GetGroupByName:
		g, err := s.Directory.GroupByName(ctx, name)
		return r.group(ctx, g, err)
	case wire.GetGroupByGID:
		g, err := s.Directory.GroupByGID(ctx, m.Number(wire.GID))
		return r.group(ctx, g, err)
	case wire.GetGroupsOf:
		ids, err := s.Directory.GroupsOf(ctx, name)
		return r.groups(ctx, ids, err)
	case wire.ListAccounts:
		return r.end(ctx, s.Directory.Accounts(ctx, func(a identity.Account) error { return r.account(ctx, a, nil) }))
	case wire.ListGroups:
		return r.end(ctx, s.Directory.Groups(ctx, func(g identity.GroupEntry) error { return r.group(ctx, g, nil) }))
	case wire.GetSSHKeys:
		if s.Keys == nil {
			return identity.ErrUnavailable
		}
		if certificate := m.String(wire.Certificate); certificate != "" {
			lines, err := s.Keys.CertificateFor(ctx, peer, name, certificate)
			return r.certificate(ctx, lines, err)
		}
		keys, err := s.Keys.KeysFor(ctx, peer, name)
		return r.keys(ctx, keys, err)
	case wire.GetSubIDs:
		if s.SubIDs == nil {
			return identity.ErrUnavailable
		}
		ids, err := s.SubIDs.SubIDsOf(ctx, peer, name)
		return r.subIDs(ctx, ids, err)
	default:
		return wire.ErrMalformed
	}
}

func (s *Server) deadline() time.Duration {
	if s.Deadline <= 0 {
		return DefaultDeadline
	}
	return s.Deadline
}

func (s *Server) send(ctx context.Context, c *wire.Conn, m *wire.Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.deadline())
	defer cancel()
	if err := c.Send(ctx, m); err != nil {
		return fmt.Errorf("%w: %w", errSend, err)
	}
	return nil
}

// errSend says that the connection is of no more use.
var errSend = errors.New("cannot reply")
