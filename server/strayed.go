package server

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/server/store"
)

// strayed answers a step that belongs to no session.
func (e *engine) strayed(ctx context.Context, c client) (answer, error) {
	a := answer{message: denial, reason: string(rowStray)}
	if !e.rows.note(c.id, c.actor(), rowStray, e.now()) {
		return a, nil
	}
	ctx, cancel := recording(ctx)
	defer cancel()
	return a, e.store.Write(ctx, func(tx *store.Tx) error { return e.record(tx, "auth.deny", &session{client: c}, a.reason) })
}

// recordRest writes down what got no row of its own.
func (e *engine) recordRest(tx *store.Tx, list []spent) error {
	for _, s := range list {
		why := fmt.Sprintf("%s, %d more times since %s", s.kind, s.more, s.since.UTC().Format(time.RFC3339))
		row := entry(e.now(), "auth.deny", &session{}, why)
		row.Actor = s.actor
		if err := tx.Record(row); err != nil {
			return err
		}
	}
	return nil
}
