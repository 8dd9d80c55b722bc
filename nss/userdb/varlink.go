package userdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Limits of one connection.
const (
	maxMessage  = 64 << 10         // bytes of a call; a name fits many times
	idleTimeout = 30 * time.Second // without a call
	sendTimeout = 10 * time.Second // for one reply to be taken
)

// Errors of varlink itself.
const (
	interfaceNotFound = "org.varlink.service.InterfaceNotFound"
	methodNotFound    = "org.varlink.service.MethodNotFound"
	invalidParameter  = "org.varlink.service.InvalidParameter"
	expectedMore      = "org.varlink.service.ExpectedMore"
)

// errMalformed ends a connection: what came is no call.
var errMalformed = errors.New("malformed call")

// call is what a client sends.
type call struct {
	Method     string          `json:"method"`
	Parameters json.RawMessage `json:"parameters"`
	More       bool            `json:"more"`    // any number of replies may come
	OneWay     bool            `json:"oneway"`  // none is wanted
	Upgrade    bool            `json:"upgrade"` // to another protocol: we have none
}

// reply is what goes back.
type reply struct {
	Parameters any    `json:"parameters"`
	Continues  bool   `json:"continues,omitempty"`
	Error      string `json:"error,omitempty"`
}

// fault is an error that a client is told by its name.
type fault struct {
	name       string
	parameters map[string]string
}

func (f *fault) Error() string { return f.name }

// splitNUL is a [bufio.SplitFunc] for messages that end with a NUL byte. What
// comes after the last one is no message.
func splitNUL(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("%w: cut off", errMalformed)
	}
	return 0, nil, nil
}

// parseCall reads one message.
func parseCall(b []byte) (call, error) {
	var c call
	if err := json.Unmarshal(b, &c); err != nil {
		return call{}, fmt.Errorf("%w: %v", errMalformed, err) //nolint:errorlint // one sentinel is enough
	}
	if c.Method == "" || c.Upgrade || (c.More && c.OneWay) {
		return call{}, fmt.Errorf("%w: method %q, upgrade %t, more %t, oneway %t", errMalformed, c.Method, c.Upgrade, c.More, c.OneWay)
	}
	return c, nil
}

// parameters reads those of a call into v. One that is not known is refused by
// its name, so that a client of a later version of the API asks without it.
func parameters(raw json.RawMessage, v any) error {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	name := ""
	if errors.As(err, &wrong) {
		name = wrong.Field
	} else {
		_, _ = fmt.Sscanf(err.Error(), "json: unknown field %q", &name)
	}
	return &fault{invalidParameter, map[string]string{"parameter": name}}
}

// stream is one connection.
type stream struct {
	c  net.Conn
	in *bufio.Scanner
}

func newStream(c net.Conn) *stream {
	s := &stream{c: c, in: bufio.NewScanner(c)}
	s.in.Buffer(make([]byte, 0, 1024), maxMessage)
	s.in.Split(splitNUL)
	return s
}

// receive returns io.EOF when the peer is done.
func (s *stream) receive() (call, error) {
	if err := s.c.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return call{}, fmt.Errorf("receive: %w", err)
	}
	if !s.in.Scan() {
		if err := s.in.Err(); err != nil {
			return call{}, fmt.Errorf("receive: %w", err)
		}
		return call{}, io.EOF
	}
	return parseCall(s.in.Bytes())
}

func (s *stream) send(r reply) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := s.c.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := s.c.Write(append(b, 0)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// answers sends what one call comes to. Each reply is held back until it is known
// whether another one follows.
type answers struct {
	s    *stream
	c    call
	held any
}

var errSend = errors.New("cannot reply")

func (a *answers) add(parameters any) error {
	if a.held != nil {
		if !a.c.More && !a.c.OneWay {
			return &fault{expectedMore, nil}
		}
		if err := a.send(reply{Parameters: a.held, Continues: true}); err != nil {
			return err
		}
	}
	a.held = parameters
	return nil
}

// end says how the call went.
func (a *answers) end(err error) error {
	var f *fault
	switch {
	case errors.Is(err, errSend):
		return err
	case errors.As(err, &f):
		parameters := any(f.parameters)
		if f.parameters == nil {
			parameters = struct{}{}
		}
		return a.send(reply{Error: f.name, Parameters: parameters})
	case err != nil:
		return a.send(reply{Error: serviceNotAvailable, Parameters: struct{}{}})
	case a.held == nil:
		return a.send(reply{Error: noRecordFound, Parameters: struct{}{}})
	default:
		return a.send(reply{Parameters: a.held})
	}
}

func (a *answers) send(r reply) error {
	if a.c.OneWay {
		return nil
	}
	if err := a.s.send(r); err != nil {
		return fmt.Errorf("%w: %w", errSend, err)
	}
	return nil
}

// serve answers the calls of one connection until the peer is done or ctx ends.
func (s *Server) serve(ctx context.Context, c net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	st := newStream(c)
	for {
		call, err := st.receive()
		if err != nil {
			return err
		}
		a := &answers{s: st, c: call}
		err = s.answer(ctx, a)
		var f *fault
		if err != nil && !errors.As(err, &f) {
			s.Log.Debug("call not answered", "method", call.Method, "error", err)
		}
		if err := a.end(err); err != nil {
			return err
		}
	}
}
