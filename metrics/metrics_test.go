package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Promise metrics-local.
func TestMonitoringIsAnsweredOnThisMachineAlone(t *testing.T) {
	for _, address := range []string{":9477", "0.0.0.0:9477", "[::]:9477", "192.0.2.1:9477", "localhost:9477", "id.example:9477", "9477", "", "tcp:x"} {
		if l, err := Listen(t.Context(), address); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%q: %v", address, err)
			if l != nil {
				_ = l.Close()
			}
		}
	}
	socket := "unix:" + filepath.Join(t.TempDir(), "m.sock")
	for _, address := range []string{"127.0.0.1:0", socket} {
		l, err := Listen(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if address == socket {
			if _, err := Listen(t.Context(), socket); err == nil {
				t.Error("two at one socket")
			}
		}
		_ = l.Close()
	}
	l, err := Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if l, err = Listen(t.Context(), socket); err != nil {
		t.Fatalf("after a crash: %v", err)
	}
	_ = l.Close()
}

func TestMonitoringHearsWhetherItLivesAndIsReadyAndNumbers(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var fault atomic.Pointer[error]
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, New(), func(context.Context) error {
			if f := fault.Load(); f != nil {
				return *f
			}
			return nil
		})
	}()
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, c := range []struct {
		path, says string
		code       int
	}{{"/healthz", "ok", 200}, {"/readyz", "ok", 200}, {"/metrics", "process_start_time_seconds", 200}, {"/", "not found", 404}} {
		if code, body := get(c.path); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %.60q", c.path, code, body)
		}
	}
	away := errors.New("the database does not answer")
	fault.Store(&away)
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, away.Error()) {
		t.Errorf("not ready: %d %q", code, body)
	}
	if code, _ := get("/healthz"); code != http.StatusOK {
		t.Errorf("not ready, but it lives: %d", code)
	}
	end()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
