// Package identitystream keeps the exchanges with the realm's identity service that people of
// this machine have begun: control.sock carries one request a connection, and a login by
// OPAQUE takes several.
//
//	state    next, by who began it   next, by another uid   Life is over, or closed
//	waiting  busy                    no such exchange       gone
//	busy     no such exchange        no such exchange       gone
//
// From busy an exchange is waiting again when the server has answered with a message, and gone
// when it has answered with anything else. A handle is 128 random bits, and names an exchange
// for the uid alone that began it. An account has at most [PerUser], and all together have at
// most [All]. It judges nothing and keeps no message.
package identitystream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Limits of exchanges. Life is for one whole; a server gives them as long.
const (
	PerUser = 4
	All     = 64
	Life    = 10 * time.Second
)

var (
	// ErrGone says that there is no such exchange, or not one of that uid's.
	ErrGone = errors.New("there is no such exchange, or its 10 s are over: begin again")
	// ErrFull says that there are too many.
	ErrFull = errors.New("too many registrations and logins at once: try again in 10 s")
)

// Streams are those of one realm. All methods are safe for concurrent use.
type Streams struct {
	mu   sync.Mutex
	open map[string]*exchange
}

// exchange is one. Whoever made it busy uses its stream alone.
type exchange struct {
	uid    uint32
	stream provider.IdentityStream
	busy   bool
	end    context.CancelFunc
}

// New makes an empty one.
func New() *Streams { return &Streams{open: make(map[string]*exchange)} }

// Opener opens a stream that lives no longer than ctx.
type Opener func(ctx context.Context) (provider.IdentityStream, report.IdentityStep, error)

// Begin opens an exchange and returns the server's first message with its handle. It gives up
// when ctx ends; what it has begun lasts longer.
func (s *Streams) Begin(ctx context.Context, uid uint32, open Opener) (report.IdentityStep, error) {
	life, end := context.WithTimeout(context.WithoutCancel(ctx), Life)
	x := &exchange{uid: uid, busy: true, end: end}
	handle, err := s.place(x)
	if err != nil {
		end()
		return report.IdentityStep{}, err
	}
	context.AfterFunc(life, func() { s.over(handle) })
	stop := context.AfterFunc(ctx, end)
	stream, first, err := open(life)
	if err == nil && !stop() {
		stream.Close()
		err = ctx.Err()
	}
	if err != nil {
		end()
		s.over(handle)
		return report.IdentityStep{}, err
	}
	x.stream = stream
	if !s.waits(handle, x, first) {
		return report.IdentityStep{}, ErrGone
	}
	first.Handle = handle
	return first, nil
}

// Next sends the next message of an exchange of that uid's. No message ends the exchange.
func (s *Streams) Next(uid uint32, handle string, m report.IdentityMessage) (step report.IdentityStep, err error) {
	x := s.take(uid, handle)
	if x == nil {
		return step, ErrGone
	}
	if len(m.Message) > 0 {
		step, err = x.stream.Next(m)
	}
	if err != nil {
		step = report.IdentityStep{}
	}
	if s.waits(handle, x, step) {
		step.Handle = handle
	}
	return step, err //nolint:wrapcheck // the server's words
}

// place counts an exchange, and names it.
func (s *Streams) place(x *exchange) (string, error) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, o := range s.open {
		if o.uid == x.uid {
			own++
		}
	}
	if own >= PerUser || len(s.open) >= All {
		return "", ErrFull
	}
	handle := hex.EncodeToString(b[:])
	s.open[handle] = x
	return handle, nil
}

// take makes an exchange busy; nil where that uid has none that waits.
func (s *Streams) take(uid uint32, handle string) *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.open[handle]
	if x == nil || x.busy || x.uid != uid {
		return nil
	}
	x.busy = true
	return x
}

// waits tells whether the exchange, which is busy, goes on after that answer, and ends it
// if not.
func (s *Streams) waits(handle string, x *exchange, answer report.IdentityStep) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[handle] == x && len(answer.Message) > 0 && len(answer.Token) == 0 {
		x.busy = false
		return true
	}
	delete(s.open, handle)
	x.end()
	x.stream.Close()
	return false
}

// over ends an exchange whose time is over. Whoever is busy with it closes its stream.
func (s *Streams) over(handle string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.open[handle]; x != nil && !x.busy {
		x.stream.Close()
	}
	delete(s.open, handle)
}
