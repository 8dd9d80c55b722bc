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
	// errPreferred ends a stream because a server that is preferred answers again.
	errPreferred = errors.New("a preferred server answers again")
)

// maxProof bounds the token that is shown as the newest, so that the request stays
// within what the server reads.
const maxProof = 48 << 10

func (p *Provider) watchRequest(from provider.Position, newest []byte) *v1.WatchRequest {
	req := &v1.WatchRequest{Position: from.Revision, History: historyOf(from), Instance: p.instance[:], Version: p.o.Version, Patience: uint32(p.o.Timeouts.Silence.Seconds()), MachineTime: timestamppb.New(p.o.Now())}
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
		err := p.ask(call, true, func(ctx context.Context, e *endpoint) error {
			_, err := e.directory.ReportLost(ctx, &v1.ReportLostRequest{IdTokens: batch})
			return err //nolint:wrapcheck // below
		})
		cancel()
		if err != nil {
			return meaning("report lost accounts", err)
		}
	}
	return nil
}

// historyOf is the history of a position in the form of requests.
func historyOf(p provider.Position) []byte {
	if p.History == uuid.Nil {
		return nil
	}
	return p.History[:]
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
func (e *endpoint) event(ctx context.Context, m *v1.WatchResponse) (provider.Event, error) {
	ev := provider.Event{ServerTime: moment(m.GetServerTime()), Duplicated: m.GetDuplicated()}
	var err error
	if ev.Position, err = positionOf(m); err != nil {
		return ev, err
	}
	if ended := m.GetEnded(); ended != nil {
		if err := e.p.grantsEnded(ctx, ended.GetRequests()); err != nil {
			return ev, err
		}
	}
	if said := m.GetSettings(); said != nil {
		if err := e.p.takeSettings(ctx, said, e.reads.Load()); err != nil {
			return ev, err
		}
	}
	switch of := m.GetEvent().(type) {
	case *v1.WatchResponse_Changed:
		ev.Kind = provider.Changed
		if ev.Record, err = e.record(ctx, of.Changed); err == nil {
			ev.UUID = ev.Record.Token.Account.UUID
		}
	case *v1.WatchResponse_Gone:
		ev.Kind = provider.Gone
		if ev.UUID, err = uuid.Parse(of.Gone); err != nil {
			err = fmt.Errorf("%w: gone account: %w", provider.ErrOffline, err)
		}
	case *v1.WatchResponse_CaughtUp:
		ev.Kind = provider.CaughtUp
	case *v1.WatchResponse_Reset_:
		ev.Kind, ev.Lost, ev.Reason = provider.Reset, of.Reset_.GetLost(), of.Reset_.GetReason()
	case *v1.WatchResponse_Alive:
		ev.Kind = provider.Alive
	}
	return ev, err
}
