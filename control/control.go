// Package control carries the CLI's questions to the daemon over control.sock:
// [Server] is the daemon's end, [Client] the CLI's.
//
// It knows no verb and no right. Who may ask what is the [Operator]'s decision,
// from the peer's kernel credentials; package report lists verbs and answers.
// One connection carries one request. An answer is any number of JSON values,
// then a code; a value larger than a packet is sent in parts.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

// Timeout is how long one request may take, from connection to last packet.
const Timeout = 30 * time.Second

// How many requests may be under way: in all, for each user but root, and of all
// for root alone.
const (
	maxOpen        = 256
	maxOpenPerUser = 16
	reserved       = 64
)

// The codes of wire.Done. Zero is none of them.
const (
	codeOK uint32 = 1 + iota
	codeFailed
	codeNotFound
	codeForbidden
	codeVerb
	codeAway
)

// Operator answers requests. It calls emit for each value of the answer. Errors
// that callers decide on are identity.ErrNotFound, report.ErrForbidden, report.ErrVerb
// and report.ErrAway.
type Operator interface {
	Handle(ctx context.Context, peer identity.Peer, verb string, args []byte, emit func(any) error) error
}

// Server answers on control.sock.
type Server struct {
	Operator Operator
	Log      *slog.Logger
}

// Serve accepts connections until the context ends, then waits for those under
// way and returns nil. It closes the listener.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	return wire.Serve(ctx, l, wire.Door{ //nolint:wrapcheck // it says what it was doing
		Limits: wire.Limits{Open: maxOpen, PerUser: maxOpenPerUser, Reserved: reserved},
		Handle: s.answer, Full: s.turnAway, Log: s.Log,
	})
}

func (s *Server) turnAway(ctx context.Context, c *wire.Conn, _ identity.Peer) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_ = c.Send(ctx, wire.New(wire.Done).AddNumbers(wire.Code, codeFailed).AddString(wire.Text, "too many requests at once; try again"))
}

// answer serves one request. Whatever is wrong with it ends this connection only.
func (s *Server) answer(ctx context.Context, c *wire.Conn, peer identity.Peer) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	m, err := c.Receive(ctx)
	if err != nil || m.Type != wire.Control {
		s.Log.Debug("control request dropped", "uid", peer.UID, "error", err)
		return
	}
	verb := m.String(wire.Verb)
	err = s.Operator.Handle(ctx, peer, verb, m.Bytes(wire.JSON), func(v any) error { return sendItem(ctx, c, v) })
	done := wire.New(wire.Done).AddNumbers(wire.Code, codeOf(err))
	if err != nil {
		done.AddString(wire.Text, clip(err.Error()))
		s.Log.Info("control request failed", "verb", verb, "uid", peer.UID, "error", err)
	}
	if err := c.Send(ctx, done); err != nil {
		s.Log.Debug("control answer not sent", "verb", verb, "uid", peer.UID, "error", err)
	}
}

func codeOf(err error) uint32 {
	switch {
	case err == nil:
		return codeOK
	case errors.Is(err, identity.ErrNotFound):
		return codeNotFound
	case errors.Is(err, report.ErrForbidden):
		return codeForbidden
	case errors.Is(err, report.ErrVerb):
		return codeVerb
	case errors.Is(err, report.ErrAway):
		return codeAway
	default:
		return codeFailed
	}
}

// clip keeps an error text within one packet and free of NUL.
func clip(s string) string {
	b := []byte(s)
	b = b[:min(len(b), 4096)]
	for i := range b {
		if b[i] == 0 {
			b[i] = '?'
		}
	}
	return string(b)
}

// partSize leaves room for the More field.
const partSize = wire.MaxField - 64

func sendItem(ctx context.Context, c *wire.Conn, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	for len(b) > partSize {
		if err := c.Send(ctx, wire.New(wire.Item).Add(wire.JSON, b[:partSize]).AddNumbers(wire.More, 1)); err != nil {
			return err //nolint:wrapcheck // wire says enough
		}
		b = b[partSize:]
	}
	return c.Send(ctx, wire.New(wire.Item).Add(wire.JSON, b)) //nolint:wrapcheck // wire says enough
}

// Client asks a daemon. The zero value has no path and cannot.
type Client struct {
	// Path of control.sock.
	Path string
}

// NoDaemonError says that no daemon answers, and what asking it came to. It is
// identity.ErrUnavailable.
type NoDaemonError struct{ Err error }

// Error implements error.
func (e *NoDaemonError) Error() string { return identity.ErrUnavailable.Error() + ": " + e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *NoDaemonError) Unwrap() []error { return []error{identity.ErrUnavailable, e.Err} }

// maxValue bounds one value of an answer, in bytes.
const maxValue = 64 << 20

// Ask sends one request and calls each for every value of the answer. Its error
// wraps identity.ErrUnavailable when no daemon answers, and the Operator's own
// sentinels when it said no.
func (cl Client) Ask(ctx context.Context, verb string, args any, each func(json.RawMessage) error) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	c, err := wire.Dial(ctx, cl.Path)
	if err != nil {
		return &NoDaemonError{err}
	}
	defer c.Close() //nolint:errcheck // read only from here on
	req := wire.New(wire.Control).AddString(wire.Verb, verb)
	if args != nil {
		b, err := json.Marshal(args)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		req.Add(wire.JSON, b)
	}
	if err := c.Send(ctx, req); err != nil {
		return &NoDaemonError{err}
	}
	return receive(ctx, c, each)
}

func receive(ctx context.Context, c *wire.Conn, each func(json.RawMessage) error) error {
	var value []byte
	for {
		m, err := c.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return &NoDaemonError{errors.New("the daemon closed the connection")}
		}
		if err != nil {
			return &NoDaemonError{err}
		}
		switch m.Type {
		case wire.Item:
			value = append(value, m.Bytes(wire.JSON)...)
			if len(value) > maxValue {
				return fmt.Errorf("%w: an answer of more than %d bytes", wire.ErrMalformed, maxValue)
			}
			if m.Number(wire.More) == 1 {
				continue
			}
			if len(value) == 0 {
				return fmt.Errorf("%w: a value of no bytes", wire.ErrMalformed)
			}
			if err := each(value); err != nil {
				return err
			}
			value = nil
		case wire.Done:
			if len(value) > 0 {
				return fmt.Errorf("%w: an answer that ends within a value", wire.ErrMalformed)
			}
			return verdict(m)
		default:
			return fmt.Errorf("%w: type %#02x in an answer", wire.ErrMalformed, uint8(m.Type))
		}
	}
}

// verdict turns Done into an error; only an explicit yes is none.
func verdict(m *wire.Message) error {
	text := m.String(wire.Text)
	for _, c := range []struct {
		code uint32
		err  error
	}{
		{codeNotFound, identity.ErrNotFound},
		{codeForbidden, report.ErrForbidden},
		{codeVerb, report.ErrVerb},
		{codeAway, report.ErrAway},
	} {
		if m.Number(wire.Code) == c.code {
			return &answerError{text, c.err}
		}
	}
	if m.Number(wire.Code) == codeOK {
		return nil
	}
	return &answerError{text, nil}
}

// answerError is the daemon's own text, still known by its sentinel.
type answerError struct {
	text string
	kind error
}

func (e *answerError) Error() string { return e.text }
func (e *answerError) Unwrap() error { return e.kind }

// One asks for an answer of exactly one value.
func One[T any](ctx context.Context, cl Client, verb string, args any) (T, error) {
	var v T
	n := 0
	err := cl.Ask(ctx, verb, args, func(b json.RawMessage) error {
		n++
		return json.Unmarshal(b, &v) //nolint:wrapcheck // wrapped below
	})
	switch {
	case err != nil:
		return v, err
	case n != 1:
		return v, fmt.Errorf("%w: %d values in answer to %q, want 1", wire.ErrMalformed, n, verb)
	}
	return v, nil
}
