package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
)

func TestAListIsWholeAndAWatchGoesOnFromIt(t *testing.T) {
	r := newRealm(t)
	r.account("alice")
	r.account("bob")
	p := r.machine()
	seen := map[identity.Name]uuid.UUID{}
	position, err := p.List(t.Context(), func(rec provider.Record) error {
		seen[rec.Token.Account.Name] = rec.Token.Account.UUID
		return nil
	})
	if err != nil || len(seen) != 2 {
		t.Fatal(seen, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events := make(chan provider.Event, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- p.Watch(ctx, position, nil, func(e provider.Event) error {
			events <- e
			return nil
		})
	}()
	next := func() provider.Event {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.Kind != provider.Alive {
					return e
				}
			case err := <-ended:
				t.Fatal(err)
			}
		}
	}
	if e := next(); e.Kind != provider.CaughtUp {
		t.Fatalf("first came %+v", e)
	}
	if _, err := r.admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: "bob", Disabled: true}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.Kind != provider.Changed || e.Record.Token.State != identity.Disabled || e.UUID != seen["bob"] {
		t.Fatalf("after disabling came %+v", e)
	}
	if _, err := r.admin.RotateKeys(ctx, &v1.RotateKeysRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin.SetAccountState(ctx, &v1.SetAccountStateRequest{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.Kind != provider.Changed || e.Record.Token.State != identity.Active {
		t.Fatalf("after rotation and enabling came %+v", e)
	}
	if _, err := r.admin.RemoveAccount(ctx, &v1.NameRequest{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.Kind != provider.Gone || e.UUID != seen["bob"] {
		t.Fatalf("after removal came %+v", e)
	}
	r.stop()
	if err := <-ended; !errors.Is(err, provider.ErrOffline) {
		t.Fatalf("the stream ended with %v", err)
	}
}

func TestATooNewPositionIsAnsweredWithAReset(t *testing.T) {
	r := newRealm(t)
	p := r.machine()
	var kinds []provider.EventKind
	err := p.Watch(t.Context(), provider.Position{Revision: 1 << 63}, nil, func(e provider.Event) error {
		kinds = append(kinds, e.Kind)
		return nil
	})
	if len(kinds) != 1 || kinds[0] != provider.Reset || !errors.Is(err, provider.ErrOffline) {
		t.Fatal(kinds, err)
	}
}

func TestAWatchEndsWhenTheMachineIsRemoved(t *testing.T) {
	r := newRealm(t)
	p := r.machine()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := p.Watch(ctx, provider.Position{}, nil, func(e provider.Event) error {
		if e.Kind == provider.CaughtUp {
			_, err := r.admin.RemoveMachine(ctx, &v1.NameRequest{Name: "box"})
			return err
		}
		return nil
	})
	if !errors.Is(err, provider.ErrRefusedMachine) {
		t.Fatalf("got %v", err)
	}
}
