package sallyport

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// clockChange is by how much this machine's clock must have changed against the server's to
// be news. It is less than what is said of to people.
const clockChange = 15 * time.Second

// clock is by how much this machine's clock was ahead of the server's when the server was
// told: at first with the stream.
type clock struct {
	told  time.Duration
	known bool
}

// changed takes what a word of the server shows, and tells whether it is to be told.
func (c *clock) changed(ahead time.Duration) bool {
	if c.known && (ahead-c.told).Abs() < clockChange {
		return false
	}
	first := !c.known
	c.told, c.known = ahead, true
	return !first
}

// reportClock tells the server what time it is here. One of before does not want to know.
func (e *endpoint) reportClock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.p.o.Timeouts.Call)
	defer cancel()
	_, _ = e.machines.ReportClock(ctx, &v1.ReportClockRequest{MachineTime: timestamppb.New(e.p.o.Now())})
}
