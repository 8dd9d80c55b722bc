package sallyport

import (
	"context"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// clockChange is by how much this machine's clock must have changed against the server's to
// be news. It is less than what is said of to people.
const clockChange = 15 * time.Second

// clock is by how much this machine's clock was ahead of the server's when the server was
// told: at first with the stream.
type clock struct {
	// sent is what this clock said with the stream, at that moment.
	sent, at time.Time
	told     time.Duration
	known    bool
	// lost tells that nobody answered when the server was told.
	lost atomic.Bool
}

// moved is by how much this clock, which says now, was set since it was told with the stream.
func (c *clock) moved(now time.Time) time.Duration {
	if c.sent.IsZero() {
		return 0
	}
	return now.Round(0).Sub(c.sent.Round(0)) - time.Since(c.at)
}

// changed takes what a word of the server shows, and tells whether it is to be told. By the first
// word it is known what the stream told, also if the clock was set meanwhile.
func (c *clock) changed(ahead time.Duration, now time.Time) bool {
	if !c.known {
		c.told, c.known = ahead-c.moved(now), true
	}
	if again := c.lost.Swap(false); !again && (ahead-c.told).Abs() < clockChange {
		return false
	}
	c.told = ahead
	return true
}

// report tells the server what time it is here, and does so anew at its next word where nobody
// answered. One that does not want to know, because it is older or only reads, has answered.
func (c *clock) report(ctx context.Context, e *endpoint) {
	ctx, cancel := context.WithTimeout(ctx, e.p.o.Timeouts.Call)
	defer cancel()
	_, err := e.machines.ReportClock(ctx, &v1.ReportClockRequest{MachineTime: timestamppb.New(e.p.o.Now())})
	if err != nil && !connect.IsWireError(err) && connect.CodeOf(err) != connect.CodeUnimplemented {
		c.lost.Store(true)
	}
}
