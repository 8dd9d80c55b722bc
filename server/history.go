package server

import (
	"context"
	"fmt"

	"github.com/sallyport-auth/sallyport/server/store"
)

// begin begins the history of this start, and forgets what the change log need not
// remember any more.
func (r *realm) begin(ctx context.Context) error {
	err := r.store.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Begin(store.Started, "", 0, r.now()); err != nil {
			return err
		}
		return tx.CompactChanges(r.now().Add(-keepGone))
	})
	if err != nil {
		return fmt.Errorf("begin the history of this start: %w", err)
	}
	return nil
}
