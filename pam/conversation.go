package pam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/wire"
)

// conversation is the person behind one connection. A listener goroutine reads
// all the while, so that a hang-up is noticed while nothing is being asked.
type conversation struct {
	c       *wire.Conn
	timeout time.Duration
	ctx     context.Context //nolint:containedctx // the connection's own life
	cancel  context.CancelCauseFunc
	answers chan identity.Secret
	done    chan struct{} // the listener has returned

	asking sync.Mutex // one prompt at a time

	mu      sync.Mutex
	waiting bool  // a prompt is out and has no answer yet
	err     error // the first fault; it stays
}

func newConversation(ctx context.Context, c *wire.Conn, timeout time.Duration) *conversation {
	ctx, cancel := context.WithCancelCause(ctx)
	conv := &conversation{
		c: c, timeout: timeout, ctx: ctx, cancel: cancel,
		answers: make(chan identity.Secret, 1), done: make(chan struct{}),
	}
	go conv.listen()
	return conv
}

// listen receives until the connection ends. Only an Answer to an open prompt
// may come; anything else ends the conversation.
func (c *conversation) listen() {
	defer close(c.done)
	for {
		m, err := c.c.Receive(c.ctx)
		switch {
		case errors.Is(err, io.EOF):
			c.fail(fmt.Errorf("%w: the host program hung up", errNoAnswer))
			return
		case err != nil:
			c.fail(err)
			return
		case m.Type != wire.Answer || !c.take():
			m.Wipe()
			c.fail(fmt.Errorf("%w: type %#02x when nothing was asked", wire.ErrMalformed, uint8(m.Type)))
			return
		}
		c.answers <- identity.NewSecret(m.Bytes(wire.Secret))
	}
}

// take claims the open prompt for an answer that came.
func (c *conversation) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.waiting
	c.waiting = false
	return was
}

func (c *conversation) expect(answer bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = answer
}

// fail records the first fault and ends Decide's context.
func (c *conversation) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.cancel(err)
}

// fault is the first thing that went wrong, nil when all went well.
func (c *conversation) fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return c.err
}

// close ends the listener. The connection itself stays open for the verdict.
func (c *conversation) close() {
	c.cancel(context.Canceled)
	<-c.done
	select {
	case s := <-c.answers:
		s.Wipe()
	default:
	}
}

// Ask shows text and waits for the answer.
func (c *conversation) Ask(ctx context.Context, style identity.Style, text string) (identity.Secret, error) {
	if style != identity.AskSecret && style != identity.AskText {
		return identity.Secret{}, fmt.Errorf("ask with style %d", style)
	}
	c.asking.Lock()
	defer c.asking.Unlock()
	c.expect(true)
	if err := c.show(ctx, wire.Prompt, style, text); err != nil {
		return identity.Secret{}, err
	}
	t := time.NewTimer(c.timeout)
	defer t.Stop()
	select {
	case s := <-c.answers:
		return s, nil
	case <-c.ctx.Done():
		return identity.Secret{}, fmt.Errorf("ask: %w", context.Cause(c.ctx))
	case <-ctx.Done():
		err := fmt.Errorf("ask: %w", context.Cause(ctx))
		c.fail(err)
		return identity.Secret{}, err
	case <-t.C:
		err := fmt.Errorf("ask: %w within %v", errNoAnswer, c.timeout)
		c.fail(err)
		return identity.Secret{}, err
	}
}

// Tell shows text.
func (c *conversation) Tell(ctx context.Context, style identity.Style, text string) error {
	if style != identity.TellInfo && style != identity.TellError {
		return fmt.Errorf("tell with style %d", style)
	}
	return c.show(ctx, wire.Tell, style, text)
}

func (c *conversation) show(ctx context.Context, t wire.Type, style identity.Style, text string) error {
	if err := c.fault(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	m := wire.New(t).AddNumbers(wire.Style, uint32(style)).AddString(wire.Text, text)
	if err := c.c.Send(ctx, m); err != nil {
		c.fail(err)
		return fmt.Errorf("show: %w", err)
	}
	return nil
}
