package card

import (
	"log/slog"
	"sync"
	"time"
)

// The limits of a Service that sets none.
const (
	DefaultTimeout = 10 * time.Second
	DefaultTouch   = 15 * time.Second
	DefaultBusy    = 2 * time.Second
)

// Options of a Service. Zero values are the defaults.
type Options struct {
	// Now judges the dates of certificates: the daemon's trusted clock.
	Now func() time.Time
	Log *slog.Logger
	// Timeout bounds one call, without the time that a touch takes and that it takes
	// to make a key; Touch bounds the former. Busy is how long a card that another program holds is tried again.
	Timeout, Touch, Busy time.Duration
}

// Service is the card service of this machine. It opens nothing before it is asked
// and may be used by many goroutines.
type Service struct {
	o Options
	// turn is held by the one worker.
	turn chan struct{}

	mu      sync.Mutex
	current *job // what the worker is at
}

// New makes one. Whether there is a pcscd is found out at each call.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Timeout = orDefault(o.Timeout, DefaultTimeout)
	o.Touch = orDefault(o.Touch, DefaultTouch)
	o.Busy = orDefault(o.Busy, DefaultBusy)
	return &Service{o: o, turn: make(chan struct{}, 1)}
}

func orDefault(d, standard time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return standard
}
