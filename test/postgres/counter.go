package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// Counter stands before a server and counts what is asked of it, by the messages of the
// protocol themselves (PostgreSQL's manual, chapter 54).
type Counter struct {
	server     *Server
	dir        string
	listener   net.Listener
	statements atomic.Int64
	trips      atomic.Int64
}

// Count are statements, BEGIN and COMMIT among them, and how often their answers were waited
// for.
type Count struct{ Statements, Trips int64 }

// Counter starts one.
func (s *Server) Counter(ctx context.Context) (*Counter, error) {
	dir, err := os.MkdirTemp("", "sallyport-count-")
	if err != nil {
		return nil, fmt.Errorf("count statements: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", filepath.Join(dir, socketName))
	if err != nil {
		return nil, fmt.Errorf("count statements: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	c := &Counter{server: s, dir: dir, listener: l}
	go c.serve(ctx)
	return c, nil
}

// ping is what the driver asks on a connection that nobody has used for a second. It depends on
// how busy the computer is, so it is not counted.
const ping = "-- ping"

const socketName = ".s.PGSQL.5432"

// Address is that of a schema, through the counter.
func (c *Counter) Address(schema string) (string, error) {
	u, err := url.Parse(schema)
	if err != nil {
		return "", fmt.Errorf("count statements: %w", err)
	}
	q := u.Query()
	q.Set("host", c.dir)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Take is what was counted since the last time.
func (c *Counter) Take() Count { return Count{c.statements.Swap(0), c.trips.Swap(0)} }

// Stop ends it.
func (c *Counter) Stop() error { return errors.Join(c.listener.Close(), os.RemoveAll(c.dir)) }

func (c *Counter) serve(ctx context.Context) {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		out, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(c.server.dir, socketName))
		if err != nil {
			_ = in.Close()
			continue
		}
		end := func() { _, _ = in.Close(), out.Close() }
		go func() {
			defer end()
			// The first message has no kind.
			if err := pass(in, out, false, nil); err != nil {
				return
			}
			for pass(in, out, true, c.asked) == nil {
			}
		}()
		go func() {
			defer end()
			for pass(out, in, true, c.answered) == nil {
			}
		}()
	}
}

func (c *Counter) asked(kind byte, body []byte) {
	switch kind {
	case 'Q': // a text of one or more statements
		text := strings.TrimRight(string(body), "\x00; \n")
		if text == ping {
			c.trips.Add(-1)
			return
		}
		c.statements.Add(int64(strings.Count(text, ";")) + 1)
	case 'E': // Execute
		c.statements.Add(1)
	}
}

func (c *Counter) answered(kind byte, _ []byte) {
	if kind == 'Z' { // ReadyForQuery
		c.trips.Add(1)
	}
}

// pass hands one message on.
func pass(from io.Reader, to io.Writer, kinds bool, note func(kind byte, body []byte)) error {
	head := make([]byte, 5)
	if !kinds {
		head = head[1:]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return err //nolint:wrapcheck // it ends the connection, and nobody reads it
	}
	size := binary.BigEndian.Uint32(head[len(head)-4:])
	if size < 4 {
		return errors.New("no message of the protocol")
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(from, body); err != nil {
		return err //nolint:wrapcheck // as above
	}
	if note != nil {
		note(head[0], body)
	}
	_, err := to.Write(append(head, body...))
	return err //nolint:wrapcheck // as above
}
