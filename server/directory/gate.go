package directory

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// readTimeout bounds what a stream or a list waits for one reading, its turn included.
const readTimeout = 20 * time.Second

// gate lets few streams read at once, in the order in which they came: a thousand that
// come back together leave the database to logins as well. Nothing is sent within it.
type gate chan struct{}

func newGate() gate { return make(gate, max(2, runtime.NumCPU())) }

// reading is Store.Read for streams and lists.
func (d *Directory) reading(ctx context.Context, f func(*store.Tx) error) error {
	ctx, end := context.WithTimeout(ctx, readTimeout)
	defer end()
	select {
	case d.gate <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn to read: %w", ctx.Err())
	}
	defer func() { <-d.gate }()
	return d.Store.Read(ctx, f)
}
