package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// strayed answers a step that belongs to no session.
func (e *Engine) strayed(ctx context.Context, c client) (answer, error) {
	a := answer{message: denial, stray: true, reason: string(realm.RowStray)}
	if !e.Rows.Note(c.id, c.actor(), realm.RowStray, e.Now()) {
		return a, nil
	}
	ctx, cancel := recording(ctx)
	defer cancel()
	return a, e.memory().Write(ctx, func(tx *store.Tx) error { return e.record(tx, "auth.deny", &session{client: c}, a.reason) })
}

// recordRest writes down what got no row of its own.
func (e *Engine) recordRest(tx *store.Tx, list []realm.Spent) error {
	for _, s := range list {
		why := fmt.Sprintf("%s, %d more times since %s", s.Kind, s.More, s.Since.UTC().Format(time.RFC3339))
		row := entry(e.Now(), "auth.deny", &session{}, why)
		row.Actor = s.Actor
		if err := tx.Record(row); err != nil {
			return err
		}
	}
	return nil
}
