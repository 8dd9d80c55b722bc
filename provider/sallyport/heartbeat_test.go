package sallyport_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/test/postgres"
)

// TestAHeartbeatReadsNoDatabase: a stream that nothing happens on goes on while the table of
// machines cannot be read, and a machine that is removed is cut off all the same.
// Promise stream-heartbeat.
func TestAHeartbeatReadsNoDatabase(t *testing.T) {
	r := newRealm(t)
	r.account("ada")
	o := r.options("box")
	o.Timeouts.Silence = 10 * time.Second // so that it hears a word every 4 s
	p := open(t, o)
	_, at := r.listed(p)
	ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	raw := postgres.Raw(t, "", filepath.Join(r.dir, "sallyport.db"))
	alive, removed := 0, time.Time{}
	err := p.Watch(ctx, at, nil, func(e provider.Event) error {
		switch e.Kind {
		case provider.CaughtUp:
			// What the stream's own beginning is news for has been read when this comes.
			if _, err := r.admin.AddAccount(ctx, &v1.AddAccountRequest{Name: "bob"}); err != nil {
				t.Fatal(err)
			}
		case provider.Changed:
			if _, err := raw.Exec(`ALTER TABLE machines RENAME TO gone`); err != nil {
				t.Fatal(err)
			}
		case provider.Alive:
			if alive++; alive != 2 {
				return nil
			}
			if _, err := raw.Exec(`ALTER TABLE gone RENAME TO machines`); err != nil {
				t.Fatal(err)
			}
			r.do(r.admin.RemoveMachine(ctx, &v1.NameRequest{Name: "box"}))
			removed = time.Now()
		default:
		}
		return nil
	})
	if alive < 2 || ctx.Err() != nil {
		t.Fatalf("%d heartbeats, and then: %v", alive, err)
	}
	if !errors.Is(err, provider.ErrRefusedMachine) {
		t.Errorf("a machine that was removed after %s: %v", time.Since(removed), err)
	}
}
