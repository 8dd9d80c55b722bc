// Package metrics answers what monitoring asks a program, over HTTP:
//
//	/healthz   200: the process lives
//	/readyz    200: it can do its work; 503 with the reason in one line: it cannot
//	/metrics   numbers, in the text form of Prometheus
//
// It listens on a loopback port or a Unix socket and on nothing else, because whoever
// reaches it is answered. So no number tells of a person: no label is a name, an address or
// a machine.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the endpoint.
const (
	// ReadyWithin is how long what is asked for may take to find out.
	ReadyWithin = 2 * time.Second
	patience    = 10 * time.Second
)

// New is a registry that has the process's own numbers already.
func New() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// CheckAddress refuses what [Listen] does not listen at: all but "unix:" and an absolute
// path, and a port of a loopback address, as "127.0.0.1:9477".
func CheckAddress(address string) error {
	if path, is := strings.CutPrefix(address, unix); is && filepath.IsAbs(path) {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("metrics at %q: only unix:/PATH, or a port of 127.0.0.1 or [::1], because whoever reaches it is answered", address)
	}
	return nil
}

const unix = "unix:"

// Listen opens where monitoring asks: a socket of mode 0660 whose folder must be there, or
// a port of a loopback address.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	if path, is := strings.CutPrefix(address, unix); is {
		return listenUnix(ctx, path)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return l, nil
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	// What an earlier process left behind; one that still listens keeps its socket.
	if c, err := (&net.Dialer{Timeout: ReadyWithin}).DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("metrics: another process listens at %s", path)
	}
	if i, err := os.Lstat(path); err == nil && i.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil { //nolint:gosec // a group may read them
		return nil, errors.Join(fmt.Errorf("metrics: %w", err), l.Close())
	}
	return l, nil
}

// Serve answers until ctx ends.
func Serve(ctx context.Context, l net.Listener, numbers *prometheus.Registry, ready func(context.Context) error) error {
	s := &http.Server{
		Handler: handler(numbers, ready), ReadHeaderTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func handler(numbers *prometheus.Registry, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithTimeout(r.Context(), ReadyWithin)
		defer end()
		if err := ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(numbers, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: patience / 2}))
	return mux
}
