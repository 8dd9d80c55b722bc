package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
)

// ServeOptions say what to serve and how.
type ServeOptions struct {
	Dir string
	// Listen replaces the address that init was told. Port 0 lets the system choose.
	Listen string
	// Log is where faults go; nil means nowhere.
	Log *slog.Logger
	// Ready is called once, when requests are answered, with the real address.
	Ready func(addr net.Addr, realm string)
	// Mark is a folder outside Dir in which to keep how far the server came, so that a
	// Dir that was put back from a copy is noticed at the start. "" keeps nothing.
	Mark string
	// StepTimeout is how long an authentication waits for its next step; zero
	// means two minutes.
	StepTimeout time.Duration
	// CardService is off unless set.
	CardService CardService
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Limits of the listener.
const (
	maxRequest        = 64 << 10
	maxStreams        = 250
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 5 * time.Second
	purgeEvery        = 30 * time.Second
	// keepGone is how long the change log remembers accounts that were removed.
	// A machine that was away for longer lists afresh.
	keepGone = 90 * 24 * time.Hour
)

// Serve serves the realm until ctx ends, then finishes what is under way and
// returns nil.
func Serve(ctx context.Context, o ServeOptions) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.StepTimeout == 0 {
		o.StepTimeout = stepTimeout
	}
	r, err := openRealm(ctx, dir(o.Dir), o.Listen, o.Log, o.Now)
	if err != nil {
		return busyHint(err, "another server or a command works on it: stop that first")
	}
	if r.mark, err = markIn(o.Mark, r.dir, r.Name); err != nil {
		return errors.Join(err, r.Close())
	}
	err = r.serve(ctx, o)
	r.keepMark(context.WithoutCancel(ctx))
	return errors.Join(err, r.Close())
}

func busyHint(err error, hint string) error {
	if errors.Is(err, errBusy) {
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

func (r *realm) serve(ctx context.Context, o ServeOptions) error {
	cards, err := newCardService(r, o.CardService)
	if err != nil {
		return err
	}
	if err := r.warnReserved(ctx); err != nil {
		return err
	}
	if _, path, fault := r.common.State(); fault != nil {
		r.log.WarnContext(ctx, "the list of common passwords cannot be read, so the built-in list holds", "file", path, "error", fault)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", r.settings.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	adminListener, err := r.dir.listenAdmin(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := r.begin(ctx); err != nil {
		return errors.Join(err, listener.Close(), adminListener.Close())
	}
	ending := make(chan struct{})
	e := newEngine(r, o.StepTimeout)
	public := r.publicServer(e, cards, ending)
	private := r.adminServer()
	failed := make(chan error, 2)
	go func() { failed <- public.ServeTLS(listener, "", "") }()
	go func() { failed <- private.Serve(adminListener) }()
	if o.Ready != nil {
		o.Ready(listener.Addr(), r.Name)
	}
	err = r.wait(ctx, e, failed)
	close(ending)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	for _, s := range []*http.Server{public, private} {
		if s.Shutdown(stop) != nil {
			_ = s.Close() // whoever still talks is cut off
		}
	}
	return err
}

// wait returns nil when ctx ends, an error when a listener does before.
func (r *realm) wait(ctx context.Context, e *engine, failed <-chan error) error {
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("serve: %w", err)
		case <-purge.C:
			r.renewed(ctx)
			r.keepMark(ctx)
			if err := e.abandoned(ctx); err != nil {
				r.log.WarnContext(ctx, "abandoned authentications are not in the audit log", "error", err)
			}
		case <-prune.C:
			if err := e.prune(ctx); err != nil {
				r.log.WarnContext(ctx, "old failures and places are not pruned", "error", err)
			}
		}
	}
}

func (r *realm) publicServer(e *engine, cards *cardService, ending <-chan struct{}) *http.Server {
	limit := connect.WithReadMaxBytes(maxRequest)
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(r, limit))
	mux.Handle(sallyportv1connect.NewMachineServiceHandler(&machines{r, newQuota(10, 200)}, limit))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(&directory{r, ending}, limit))
	mux.Handle(sallyportv1connect.NewAuthenticationServiceHandler(e, limit))
	mux.Handle(sallyportv1connect.NewCardServiceHandler(cards, limit))
	return &http.Server{
		Handler: patience(withCaller(http.MaxBytesHandler(mux, maxRequest))),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, GetCertificate: r.certs.get,
			// Any certificate will do: only its key counts, see withCaller.
			ClientAuth: tls.RequestClientCert,
		},
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 16 << 10,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
}
