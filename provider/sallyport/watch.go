package sallyport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

var (
	errSilent = errors.New("nothing was heard for too long")
	errEnded  = errors.New("the change stream ended")
)

// Watch implements provider.Watcher.
func (p *Provider) Watch(ctx context.Context, position uint64, each func(provider.Event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(p.o.Timeouts.Silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	// Also where no token ever comes that would show a key to be unknown.
	if err := p.learn(ctx); err != nil && !errors.Is(err, errNoList) {
		return meaning("watch", err)
	}
	if t := p.trust.Load(); t != nil && t.Relist {
		if err := each(provider.Event{Kind: provider.Reset}); err != nil {
			return err
		}
		return meaning("watch", errEnded)
	}
	stream, err := p.directory.Watch(ctx, &v1.WatchRequest{Position: position})
	if err != nil {
		return meaning("watch", err)
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		quiet.Stop()
		e, err := p.event(ctx, stream.Msg())
		if err != nil {
			return meaning("watch", err)
		}
		if e.Kind != provider.EventNone {
			if err := each(e); err != nil {
				return err
			}
		}
		quiet.Reset(p.o.Timeouts.Silence)
	}
	if err := stream.Err(); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
			err = errors.Join(cause, err)
		}
		return meaning("watch", err)
	}
	return meaning("watch", errEnded)
}

// moment is the server's time, or none. The protobuf package calls an absent time
// 1970, and the daemon would set its clock by that.
func moment(t *timestamppb.Timestamp) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

// event understands one message. What a newer server may send besides is
// EventNone.
func (p *Provider) event(ctx context.Context, m *v1.WatchResponse) (provider.Event, error) {
	e := provider.Event{Position: m.GetPosition(), ServerTime: moment(m.GetServerTime())}
	var err error
	switch of := m.GetEvent().(type) {
	case *v1.WatchResponse_Changed:
		e.Kind = provider.Changed
		if e.Record, err = p.record(ctx, of.Changed); err == nil {
			e.UUID = e.Record.Token.Account.UUID
		}
	case *v1.WatchResponse_Gone:
		e.Kind = provider.Gone
		if e.UUID, err = uuid.Parse(of.Gone); err != nil {
			err = fmt.Errorf("%w: gone account: %w", provider.ErrOffline, err)
		}
	case *v1.WatchResponse_CaughtUp:
		e.Kind = provider.CaughtUp
	case *v1.WatchResponse_Reset_:
		e.Kind = provider.Reset
	case *v1.WatchResponse_Alive:
		e.Kind = provider.Alive
	}
	return e, err
}
