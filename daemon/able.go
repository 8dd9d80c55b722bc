package daemon

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
)

// ableKept is for how long status repeats the count: anyone may ask for it.
const ableKept = 10 * time.Second

// AbleOffline counts who could log in if the server went away now, of those whose password
// is remembered.
func (d *Gate) AbleOffline(ctx context.Context, has map[uuid.UUID]bool) int {
	if h := d.able.Load(); h != nil && time.Since(h.at) < ableKept && h.of == len(has) {
		return h.n
	}
	n := 0
	for id, remembered := range has {
		e := d.Directory().WithUUID(id)
		if !remembered || e == nil {
			continue
		}
		q := checks.Question{Typed: string(e.Account().Name), Entry: e, Quiet: true}
		if r := d.checks.Run(ctx, checks.Remembered(), &q, nil); r.Code != identity.Granted {
			continue
		}
		if _, r := d.mayOffline(ctx, e); r.Code == identity.Granted {
			n++
		}
	}
	d.able.Store(&counted{at: time.Now(), of: len(has), n: n})
	return n
}

// counted is a count that status may repeat for a while.
type counted struct {
	at    time.Time
	of, n int
}
