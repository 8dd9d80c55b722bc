package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-auth/sallyport/cli"
	"github.com/sallyport-auth/sallyport/control"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/wire"
)

// restarted answers once, is away twice, and then has a request; after that it stops what
// watches it.
type restarted struct {
	asked atomic.Int32
	stop  func()
}

func (r *restarted) Handle(_ context.Context, _ identity.Peer, _ string, _ []byte, emit func(any) error) error {
	switch n := r.asked.Add(1); n {
	case 1:
		return emit(report.Requested{})
	case 2, 3:
		return fmt.Errorf("%w: the daemon starts", identity.ErrUnavailable)
	case 4:
		return emit(report.Requested{Others: []report.Request{{ID: "R1", State: "waiting", Subject: "ssh ada@web1"}}})
	default:
		r.stop()
		return emit(report.Requested{})
	}
}

// Promise announced.
func TestWhoWatchesGoesOnAfterTheDaemonWasAway(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	sock := filepath.Join(t.TempDir(), "control.sock")
	l, err := wire.Listen(sock, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	serving, end := context.WithCancel(t.Context())
	defer end()
	go func() {
		_ = (&control.Server{Operator: &restarted{stop: stop}, Log: slog.New(slog.DiscardHandler)}).Serve(serving, l)
	}()
	var shown, said bytes.Buffer
	app := &cli.App{Stdin: os.Stdin, Stdout: &shown, Stderr: &said, Now: time.Now}
	if code := app.Run(ctx, []string{"requests", "--watch", "--socket", sock}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(shown.String(), "R1  ssh ada@web1") {
		t.Errorf("what came later is not shown:\n%s", &shown)
	}
	if n := strings.Count(said.String(), "it goes on once there is an answer"); n != 1 {
		t.Errorf("that the daemon is away is said %d times:\n%s", n, &said)
	}
}
