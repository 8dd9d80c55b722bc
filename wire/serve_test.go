package wire //nolint:testpackage // places is counted without thousands of sockets

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

func TestNobodyTakesThePlacesOfOthers(t *testing.T) {
	p := &places{limits: Limits{Open: 100, PerUser: 8, Reserved: 25}, byUID: map[uint32]int{}}
	for i := range 8 {
		if !p.take(1000) {
			t.Fatalf("place %d refused", i)
		}
	}
	if p.take(1000) {
		t.Error("one user took more than a user's share")
	}
	p.leave(1000)
	if !p.take(1000) {
		t.Error("a place that was left is not free")
	}
	if p.take(1000) {
		t.Error("one place that was left is free more than once")
	}
	for uid := uint32(2000); p.take(uid); uid++ {
	}
	n := 0
	for p.take(0) {
		n++
	}
	if n != 25 {
		t.Errorf("%d places were kept for root", n)
	}
	if new(places).take(0) {
		t.Error("no limit is no place")
	}
}

func TestADoorTurnsAwayWhoHasNoPlaceAndEndsWithItsContext(t *testing.T) {
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	say := func(kind Type) func(context.Context, *Conn, identity.Peer) {
		return func(ctx context.Context, c *Conn, _ identity.Peer) {
			_ = c.Send(ctx, New(kind))
			if kind == Working {
				_, _ = c.Receive(ctx)
			}
		}
	}
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- Serve(serving, l, Door{
			Limits: Limits{Open: 1, PerUser: 1}, Handle: say(Working), Full: say(Unavailable), Log: slog.New(slog.DiscardHandler),
		})
	}()
	asks := func(want Type) *Conn {
		c, err := Dial(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Receive(ctx)
		if err != nil || m.Type != want {
			t.Fatalf("heard %v (%v), want %#02x", m, err, uint8(want))
		}
		return c
	}
	first := asks(Working)
	second := asks(Unavailable)
	if _, err := second.Receive(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("who was turned away is still connected: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := first.Receive(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("a connection outlives the service: %v", err)
	}
	if _, err := Dial(ctx, path); err == nil {
		t.Error("the socket still listens")
	}
}

// Promise connections-silent.
func TestWhoHasSettledHoldsNoPlaceAtTheDoor(t *testing.T) {
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, Door{
			Limits: Limits{Open: 1, PerUser: 1}, Log: slog.New(slog.DiscardHandler),
			Full: func(ctx context.Context, c *Conn, _ identity.Peer) { _ = c.Send(ctx, New(Unavailable)) },
			Handle: func(ctx context.Context, c *Conn, _ identity.Peer) {
				c.Settle()
				_ = c.Send(ctx, New(Working))
				_, _ = c.Receive(ctx)
			},
		})
	}()
	for i := range 5 {
		c, err := Dial(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Receive(ctx); err != nil || m.Type != Working {
			t.Fatalf("number %d heard %v, %v", i, m, err)
		}
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Promise connections-silent.
func TestWhoHangsUpAtOnceIsNotServed(t *testing.T) {
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		c, err := Dial(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	last, err := Dial(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{}, 200)
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, Door{
			Limits: Limits{Open: 200, PerUser: 200}, Log: slog.New(slog.DiscardHandler),
			Full: func(context.Context, *Conn, identity.Peer) { t.Error("no place") },
			Handle: func(ctx context.Context, c *Conn, _ identity.Peer) {
				served <- struct{}{}
				_ = c.Send(ctx, New(Working))
			},
		})
	}()
	if m, err := last.Receive(ctx); err != nil || m.Type != Working {
		t.Errorf("who stayed heard %v, %v", m, err)
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(served) != 1 {
		t.Errorf("%d were served", len(served))
	}
}
