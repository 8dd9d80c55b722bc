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
	// Where it is counted; prompt is nil until an errand has to ask.
	prompts        *places
	origin         identity.Origin
	errand, prompt *place

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

// enter finds the place that the operation takes.
func (c *conversation) enter(r *rooms, l *identity.Login) bool {
	c.prompts, c.origin = r.prompts, l.Origin()
	if mayAsk(l.Operation) {
		c.prompt = r.prompts.take(c.origin, c.evict)
		return c.prompt != nil
	}
	c.errand = r.errands.take(c.origin, func() {}) // it is never taken away
	return c.errand != nil
}

// leave gives back what it has taken.
func (c *conversation) leave() {
	for _, p := range []*place{c.prompt, c.errand} {
		if p != nil {
			p.leave()
		}
	}
}

// evict ends it because a newcomer needs the place.
func (c *conversation) evict() { c.fail(errEnded) }

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
	if c.prompt == nil {
		if c.prompt = c.prompts.take(c.origin, c.evict); c.prompt == nil {
			c.fail(errCrowded)
			return identity.Secret{}, fmt.Errorf("ask: %w", errCrowded)
		}
	}
	if !c.prompt.ask() {
		return identity.Secret{}, fmt.Errorf("ask: %w", errEnded)
	}
	answer, err := c.await(ctx, style, text)
	if !c.prompt.answered() { // the newcomer was first: the module begins anew with what was typed
		answer.Wipe()
		return identity.Secret{}, fmt.Errorf("ask: %w", errEnded)
	}
	return answer, err
}

// await shows a prompt and waits for the answer.
func (c *conversation) await(ctx context.Context, style identity.Style, text string) (identity.Secret, error) {
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
		err := fmt.Errorf("ask: %w: %v", errLate, c.timeout)
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
	if err := c.c.Send(ctx, showMessage(t, style, text)); err != nil {
		c.fail(err)
		return fmt.Errorf("show: %w", err)
	}
	return nil
}
