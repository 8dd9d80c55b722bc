package hops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/sessions"
)

// Session is a session of sshd that began by a certificate.
type Session struct {
	PID     uint32         `json:"pid"`
	Started uint64         `json:"started"`
	UID     uint32         `json:"uid"`
	Request uuid.UUID      `json:"request"`
	OnEnd   identity.OnEnd `json:"on_end"`
	// Ended tells that its grant was ended, which it stays.
	Ended bool `json:"ended,omitempty"`
}

func (s Session) is(p identity.Process) bool {
	return p.Known() && s.PID == p.PID && s.Started == p.Started
}

// Book knows which sessions go on by which grant. Its states:
//
//	event                                  what happens
//	sshd opens a session by a certificate  it is written down
//	the same process closes it, or is      it is forgotten
//	gone
//	its grant is ended (looked at each     by its certificate: nothing; or it is put on the
//	second while there is a session)       list that sallyport-sessions(8) goes by
//	it is on the list and does not end     the list is written again, after 5 s, 10 s, …
//
// What is written down outlives the daemon, and counts until its process is gone: the other
// program compares process and start.
type Book struct {
	// File is where it is kept, and List what sallyport-sessions reads; "": nowhere.
	File, List string
	// Ended tells whether the grant of a request was ended early.
	Ended    func(request uuid.UUID) bool
	Boottime func() time.Duration
	// Gone tells whether there is no process of that number.
	Gone func(pid uint32) bool
	Log  *slog.Logger

	wake chan struct{}

	mu   sync.Mutex
	open []Session
	// waits is since when some are to end that go on, by CLOCK_BOOTTIME; 0: none are.
	waits time.Duration
}

// Times of a Book.
const (
	lookEach = time.Second
	againMin = 5 * time.Second
	againMax = 10 * time.Minute
	// endsWithin is how long a session may take to end before it is a finding.
	endsWithin = 30 * time.Second
)

// NewBook makes an empty one. It is run once its fields are set.
func NewBook() *Book { return &Book{wake: make(chan struct{}, 1), Gone: gone} }

// gone asks the kernel: /proc does not show the daemon what others run.
func gone(pid uint32) bool {
	return pid > math.MaxInt32 || errors.Is(unix.Kill(int(pid), 0), unix.ESRCH)
}

// Begin says by which certificate a session began.
func (b *Book) Begin(s Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = slices.DeleteFunc(b.open, func(o Session) bool { return o.PID == s.PID })
	if b.open = append(b.open, s); len(b.open) > sessions.MaxOrders {
		b.open = b.open[1:]
	}
	b.keep()
	b.stir()
}

// Close says that a process closes its session.
func (b *Book) Close(p identity.Process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.open)
	b.open = slices.DeleteFunc(b.open, func(s Session) bool { return s.is(p) })
	if len(b.open) != before {
		b.keep()
	}
}

func (b *Book) stir() {
	select {
	case b.wake <- struct{}{}:
	default: // one is waiting to be read
	}
}

// keep writes down what is open. The lock is held.
func (b *Book) keep() {
	if b.File == "" {
		return
	}
	text, err := json.Marshal(b.open)
	if err == nil {
		err = sessions.Write(b.File, text)
	}
	if err != nil {
		b.Log.Error("ssh sessions are not written down: after a restart they do not end with their grants", "error", err)
	}
}

// recall takes up what was written down. A process of before the boot has none of its
// start's time here.
func (b *Book) recall() {
	text, err := os.ReadFile(b.File)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []Session
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		b.Log.Error("what was written down of ssh sessions cannot be read: they do not end with their grants", "error", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	const ticks = 100                                 // USER_HZ
	now := uint64(b.Boottime()/time.Second+1) * ticks //nolint:gosec // since boot, so not negative
	for _, s := range list {
		if s.Started <= now && len(b.open) < sessions.MaxOrders && !slices.Contains(b.open, s) {
			b.open = append(b.open, s)
		}
	}
}

// Run looks after sessions until ctx ends.
func (b *Book) Run(ctx context.Context) {
	if b.File != "" {
		b.recall()
	}
	look := time.NewTicker(lookEach)
	defer look.Stop()
	again, due := againMin, time.Duration(0)
	for {
		switch changed, waits := b.look(); {
		case changed:
			b.hand()
			again, due = againMin, b.Boottime()+againMin
		case waits && b.Boottime() >= due:
			b.hand()
			again = min(2*again, againMax)
			due = b.Boottime() + again
		}
		var tick <-chan time.Time
		if b.any() {
			tick = look.C
		}
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-tick:
		}
	}
}

func (b *Book) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open) > 0
}

// look asks for each session whether its grant was ended. It tells whether that is new of
// one, and whether one is to end that has not.
func (b *Book) look() (changed, waits bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.open)
	b.open = slices.DeleteFunc(b.open, func(s Session) bool { return b.Gone(s.PID) })
	for i := range b.open {
		s := &b.open[i]
		if !s.Ended && b.Ended(s.Request) {
			s.Ended, changed = true, true
			b.Log.Info("the grant of an ssh session was ended", "uid", s.UID, "pid", s.PID, "request", s.Request, "then", s.OnEnd)
		}
		waits = waits || s.Ended && s.OnEnd == identity.EndSessions
	}
	if changed || len(b.open) != before {
		b.keep()
	}
	switch {
	case !waits:
		b.waits = 0
	case b.waits == 0:
		b.waits = b.Boottime()
	}
	return changed, waits
}

// Findings say which sessions should have ended.
func (b *Book) Findings() []report.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waits == 0 || b.Boottime()-b.waits < endsWithin {
		return nil
	}
	var n int
	for _, s := range b.open {
		if s.Ended && s.OnEnd == identity.EndSessions {
			n++
		}
	}
	return []report.Finding{{
		Check: "ssh sessions", Severity: report.Warning,
		Detail: fmt.Sprintf("%d ssh sessions go on that should have ended with their grant.", n),
		Mend:   "systemctl start sallyport-sessions; journalctl -u sallyport-sessions shows why.",
	}}
}

// hand writes the list that sallyport-sessions goes by.
func (b *Book) hand() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []sessions.Order
	for _, s := range b.open {
		if s.Ended && s.OnEnd != identity.KeepSessions {
			list = append(list, sessions.Order{PID: s.PID, Started: s.Started, UID: s.UID, End: s.OnEnd == identity.EndSessions})
		}
	}
	if b.List == "" {
		return
	}
	if err := sessions.Write(b.List, sessions.Marshal(list)); err != nil {
		b.Log.Error("ssh sessions whose grant was ended go on", "error", err)
	}
}
