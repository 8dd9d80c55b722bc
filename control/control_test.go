package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

type operator func(ctx context.Context, peer identity.Peer, verb string, args []byte, emit func(any) error) error

func (o operator) Handle(ctx context.Context, p identity.Peer, verb string, args []byte, emit func(any) error) error {
	return o(ctx, p, verb, args, emit)
}

func serve(t *testing.T, o operator) control.Client {
	t.Helper()
	return serveAt(t, filepath.Join(t.TempDir(), "control.sock"), o)
}

func serveAt(t *testing.T, path string, o operator) control.Client {
	t.Helper()
	l, err := wire.Listen(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&control.Server{Operator: o, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return control.Client{Path: path}
}

func TestAnAnswerOfAnySizeArrivesWhole(t *testing.T) {
	for _, n := range []int{0, 1, wire.MaxField - 66, wire.MaxField, wire.MaxPacket * 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := strings.Repeat("x", n)
			cl := serve(t, func(_ context.Context, _ identity.Peer, _ string, args []byte, emit func(any) error) error {
				if string(args) != `{"name":"ada"}` {
					return fmt.Errorf("arguments %s", args)
				}
				return emit(want)
			})
			got, err := control.One[string](t.Context(), cl, "v", report.NameArgs{Name: "ada"})
			if err != nil || got != want {
				t.Errorf("%d bytes, error %v; want %d bytes", len(got), err, len(want))
			}
		})
	}
}

// Promise 5.
func TestTheOperatorLearnsThePeerFromTheKernel(t *testing.T) {
	cl := serve(t, func(_ context.Context, p identity.Peer, _ string, _ []byte, emit func(any) error) error {
		return emit(p)
	})
	p, err := control.One[identity.Peer](t.Context(), cl, "v", nil)
	if err != nil || p.UID != uint32(os.Getuid()) || p.PID != int32(os.Getpid()) {
		t.Errorf("peer %+v, error %v", p, err)
	}
}

func TestARefusalKeepsItsKindAndItsWords(t *testing.T) {
	for name, kind := range map[string]error{
		"not found": identity.ErrNotFound, "forbidden": report.ErrForbidden, "verb": report.ErrVerb, "away": report.ErrAway, "other": errors.ErrUnsupported,
	} {
		t.Run(name, func(t *testing.T) {
			cl := serve(t, func(context.Context, identity.Peer, string, []byte, func(any) error) error {
				return fmt.Errorf("for a reason: %w", kind)
			})
			err := cl.Ask(t.Context(), "v", nil, func(json.RawMessage) error { return nil })
			if err == nil || !strings.HasPrefix(err.Error(), "for a reason: ") {
				t.Fatalf("error %v", err)
			}
			if name != "other" && !errors.Is(err, kind) {
				t.Errorf("%v is not %v", err, kind)
			}
		})
	}
}

func TestGarbageEndsItsOwnConnectionOnly(t *testing.T) {
	cl := serve(t, func(_ context.Context, _ identity.Peer, _ string, _ []byte, emit func(any) error) error {
		return emit(1)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	bad, err := wire.Dial(ctx, cl.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	if err := bad.Send(ctx, wire.New(wire.Working)); err != nil {
		t.Fatal(err)
	}
	if m, err := bad.Receive(ctx); err == nil {
		t.Errorf("an answer to garbage: %v", m)
	}
	if n, err := control.One[int](ctx, cl, "v", nil); n != 1 || err != nil {
		t.Errorf("after garbage elsewhere: %d, %v", n, err)
	}
}

func TestWithoutADaemonTheErrorIsUnavailable(t *testing.T) {
	err := control.Client{Path: filepath.Join(t.TempDir(), "none")}.Ask(t.Context(), "v", nil, nil)
	if !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
