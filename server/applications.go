package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/realm"
)

// serveApplications answers applications by plain HTTP at an address of its own, where there is
// one. Nothing else is served there: the messages prove who sent them, and nothing else does.
func serveApplications(ctx context.Context, r *realm.Realm, address string, apps *application.Service, failed chan<- error) (*http.Server, error) {
	mux := http.NewServeMux()
	mux.Handle(application.Path, realm.WithCallers(apps))
	s := &http.Server{
		Handler: mux, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout + writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(r.Log.Handler(), slog.LevelDebug),
	}
	if address == "" {
		return s, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for applications: %w", err)
	}
	r.Log.InfoContext(ctx, "applications are answered by plain HTTP", "address", l.Addr().String())
	go func() { failed <- s.Serve(l) }()
	return s, nil
}
