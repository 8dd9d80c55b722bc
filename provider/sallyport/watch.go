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
func (p *Provider) Watch(ctx context.Context, from provider.Position, newest []byte, each func(provider.Event) error) error {
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
	stream, err := p.directory.Watch(ctx, p.watchRequest(from, newest))
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

// maxProof bounds the token that is shown as the newest, so that the request stays
// within what the server reads.
const maxProof = 48 << 10

func (p *Provider) watchRequest(from provider.Position, newest []byte) *v1.WatchRequest {
	req := &v1.WatchRequest{Position: from.Revision, Instance: p.instance[:], Version: p.o.Version}
	if from.History != uuid.Nil {
		req.History = from.History[:]
	}
	if len(newest) <= maxProof {
		req.Newest = newest
	}
	return req
}

// reportBytes ends one report of lost accounts, and reportCount too: the server reads no
// more at once.
const (
	reportBytes = 48 << 10
	reportCount = 256
)

// ReportLost implements provider.LossReporter. A token that is too long for a request is
// left out.
func (p *Provider) ReportLost(ctx context.Context, signed [][]byte) error {
	for len(signed) > 0 {
		var batch [][]byte
		size := 0
		for len(signed) > 0 && len(batch) < reportCount && (size+len(signed[0]) <= reportBytes || len(batch) == 0) {
			if len(signed[0]) <= reportBytes {
				batch, size = append(batch, signed[0]), size+len(signed[0])
			}
			signed = signed[1:]
		}
		call, cancel := bounded(ctx, p.o.Timeouts.Call)
		_, err := p.directory.ReportLost(call, &v1.ReportLostRequest{IdTokens: batch})
		cancel()
		if err != nil {
			return meaning("report lost accounts", err)
		}
	}
	return nil
}

type positioned interface {
	GetPosition() uint64
	GetHistory() []byte
}

// positionOf reads where a list or a stream stands.
func positionOf(m positioned) (provider.Position, error) {
	p := provider.Position{Revision: m.GetPosition()}
	if h := m.GetHistory(); len(h) > 0 {
		var err error
		if p.History, err = uuid.FromBytes(h); err != nil {
			return p, fmt.Errorf("%w: history: %w", provider.ErrOffline, err)
		}
	}
	return p, nil
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
	e := provider.Event{ServerTime: moment(m.GetServerTime()), Duplicated: m.GetDuplicated()}
	var err error
	if e.Position, err = positionOf(m); err != nil {
		return e, err
	}
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
		e.Kind, e.Lost, e.Reason = provider.Reset, of.Reset_.GetLost(), of.Reset_.GetReason()
	case *v1.WatchResponse_Alive:
		e.Kind = provider.Alive
	}
	return e, err
}
