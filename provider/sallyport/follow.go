package sallyport

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
)

// settled is how long a stream has to live for its end to be followed by a try at servers
// whose wait is not over.
const settled = time.Second

// following is one Watch: where it stands, whatever server it is at.
type following struct {
	p       *Provider
	from    provider.Position
	newest  []byte
	each    func(provider.Event) error
	refused error // by each
	// preferred: the present stream was left for a server that is preferred.
	preferred bool
	began     time.Time
	heard     bool // of the present server
}

// Watch implements provider.Watcher. When the server that it follows goes away, it goes on
// at another one from the same position, and it returns to a server that is preferred once
// that answers again. It ends when no server is left.
func (p *Provider) Watch(ctx context.Context, from provider.Position, newest []byte, each func(provider.Event) error) error {
	f := &following{p: p, from: from, newest: newest, each: each}
	defer p.fleet.stream.Store(nil)
	for {
		again, err := f.round(ctx)
		if !again {
			return err
		}
	}
}

// round goes through the servers until one is followed, and then to the end of that
// stream. again tells whether there is something to go on with.
func (f *following) round(ctx context.Context) (again bool, err error) { //nolint:nonamedreturns // says what it is
	var lost lostError
	for e, more := range f.p.fleet.pick() {
		err := f.at(ctx, e, more)
		f.p.fleet.stream.Store(nil)
		switch {
		case f.refused != nil:
			return false, f.refused
		case f.preferred:
			f.preferred = false
			return true, nil
		case !more && len(lost) == 0 && !f.p.fleet.others(e), ctx.Err() != nil, !errors.Is(sentinel(err), provider.ErrOffline):
			return false, meaning("watch", err)
		case f.heard && time.Since(f.began) >= settled:
			return true, nil
		}
		lost = append(lost, e.says(err))
	}
	return false, meaning("watch", lost)
}

// firstWord is how long a server may take to say something on a new stream while another
// is left: that the machine has caught up.
const firstWord = 4 * time.Second

// at follows one server until its stream ends. It is nil where something else than the
// server ended it.
func (f *following) at(ctx context.Context, e *endpoint, more bool) error {
	f.began, f.heard = time.Now(), false
	within := limit{}
	if more {
		within.connect = mostConnect
	}
	return e.try(ctx, within, func(ctx context.Context, e *endpoint) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		patience := f.p.o.Timeouts.Silence
		if more {
			patience = min(patience, firstWord)
		}
		quiet := time.AfterFunc(patience, func() { cancel(errSilent) })
		defer quiet.Stop()
		go f.lookForPreferred(ctx, e, cancel)
		err := f.read(ctx, e, quiet)
		switch cause := context.Cause(ctx); {
		case f.refused != nil:
			return nil
		case errors.Is(cause, errPreferred):
			f.preferred = true
			return nil
		case errors.Is(cause, errSilent):
			return errors.Join(cause, err)
		}
		return err
	}).err
}

// read hands on what the server says.
func (f *following) read(ctx context.Context, e *endpoint, quiet *time.Timer) error {
	// Also where no token ever comes that would show a key to be unknown.
	if err := e.learn(ctx, e.line.realms); err != nil && !errors.Is(err, errNoList) {
		return err
	}
	if t := f.p.trust.Load(); t != nil && t.Relist {
		if f.refused = f.each(provider.Event{Kind: provider.Reset}); f.refused != nil {
			return nil
		}
		return errEnded
	}
	req := f.p.watchRequest(f.from, f.newest)
	told := clock{sent: req.GetMachineTime().AsTime(), at: time.Now()}
	stream, err := e.line.directory.Watch(ctx, req)
	if err != nil {
		return err //nolint:wrapcheck // by Watch
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		quiet.Stop()
		if err := e.newest(); err != nil { // another server has said a higher term meanwhile
			return err
		}
		ev, err := e.event(ctx, stream.Msg())
		if err != nil {
			return err
		}
		if now := f.p.o.Now(); (ev.Kind == provider.Alive || ev.Kind == provider.CaughtUp) && !ev.ServerTime.IsZero() && told.changed(now.Sub(ev.ServerTime), now) {
			go told.report(ctx, e)
		}
		if !f.heard {
			f.heard = true
			e.note(answered, nil)
			f.p.fleet.stream.Store(e)
		}
		if f.refused = f.take(ev); f.refused != nil {
			return nil
		}
		quiet.Reset(f.p.o.Timeouts.Silence)
	}
	if err := stream.Err(); err != nil {
		return err //nolint:wrapcheck // by Watch
	}
	return errEnded
}

// take hands one event on, and remembers where the next server is to go on.
func (f *following) take(ev provider.Event) error {
	if ev.Kind == provider.EventNone {
		return nil
	}
	if err := f.each(ev); err != nil {
		return err
	}
	if ev.Kind == provider.Reset {
		return nil
	}
	if ev.Position.History != f.from.History || ev.Position.Revision > f.from.Revision {
		f.from = ev.Position
	}
	if ev.Kind == provider.Changed && len(ev.Record.Signed) > 0 {
		f.newest = ev.Record.Signed
	}
	return nil
}

// lookForPreferred ends the stream at e once a server that is preferred to it answers.
func (f *following) lookForPreferred(ctx context.Context, e *endpoint, end context.CancelCauseFunc) {
	for {
		wait := time.NewTimer(f.p.o.jitter(f.p.o.Timeouts.Return))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		if f.p.answersBefore(ctx, e) {
			end(errPreferred)
			return
		}
	}
}

// answersBefore asks the servers that are preferred to e whether they are there, and tells
// whether one is, or e is none of the realm's any more.
func (p *Provider) answersBefore(ctx context.Context, e *endpoint) bool {
	for _, o := range p.fleet.all() {
		if o == e {
			return false
		}
		if !o.health.claim() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 2*mostConnect)
		t := o.try(ctx, limit{connect: mostConnect}, func(ctx context.Context, o *endpoint) error { return o.learn(ctx, o.realms) })
		cancel()
		if t.err == nil {
			return true
		}
	}
	return true
}
