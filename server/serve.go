package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-auth/sallyport/metrics"
	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/server/admin"
	"github.com/sallyport-auth/sallyport/server/application"
	"github.com/sallyport-auth/sallyport/server/auth"
	"github.com/sallyport-auth/sallyport/server/cardservice"
	"github.com/sallyport-auth/sallyport/server/console"
	"github.com/sallyport-auth/sallyport/server/directory"
	"github.com/sallyport-auth/sallyport/server/identityservice"
	"github.com/sallyport-auth/sallyport/server/partner"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/reporter"
	"github.com/sallyport-auth/sallyport/server/request"
	"github.com/sallyport-auth/sallyport/server/sshca"
	"github.com/sallyport-auth/sallyport/server/verification"
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
	// Version is what the list of servers says that this one is.
	Version string
	// Metrics is where monitoring asks, see metrics.Listen; "": nowhere.
	Metrics string
	// SSHAgent is the socket of the ssh-agent that keeps keys of ssh certificates, where one
	// does; "" means sshagent.DefaultSocket.
	SSHAgent string
	// Applications is where applications are answered by plain HTTP, besides on Listen; "":
	// nowhere.
	Applications string
	// Delivery are the programs that carry codes to people who register at an application.
	Delivery application.Delivery
	// StepTimeout is how long an authentication waits for its next step; zero
	// means two minutes.
	StepTimeout time.Duration
	// CardService is off unless set.
	CardService cardservice.Options
	// Servers is used in place of the list of the realm's servers; for tests.
	Servers realm.ServerSource
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Limits of the listener.
const (
	maxStreams        = 250
	compressFrom      = 16 << 10 // a batch of tokens; what a change stream says costs more than it saves
	headerTable       = 1        // bytes of headers that are remembered for each machine: none
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 5 * time.Second
	purgeEvery        = 30 * time.Second
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
	o.Log = slog.New(byRequest{o.Log.Handler()})
	r, err := realm.Open(ctx, realm.Dir(o.Dir), o.Listen, o.Log, o.Now)
	if err != nil {
		return realm.BusyHint(err, "another server or a command works on it: stop that first")
	}
	r.Servers = o.Servers
	if o.SSHAgent != "" {
		r.SSHAgent.Socket = o.SSHAgent
	}
	if err := r.KeepMarkIn(o.Mark); err != nil {
		return errors.Join(err, r.Close())
	}
	err = serve(ctx, r, o)
	r.KeepMark(context.WithoutCancel(ctx))
	return errors.Join(err, r.Close())
}

func serve(ctx context.Context, r *realm.Realm, o ServeOptions) error {
	cards, err := cardservice.New(r, o.CardService)
	if err != nil {
		return err
	}
	if err := r.WarnReserved(ctx); err != nil {
		return err
	}
	e := auth.New(r, o.StepTimeout)
	if _, path, fault := e.CommonPasswords(); fault != nil {
		r.Log.WarnContext(ctx, "the list of common passwords cannot be read, so the built-in list holds", "file", path, "error", fault)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", r.Settings.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	adminListener, err := listenAdmin(ctx, r.Dir)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := r.BeginHistory(ctx); err != nil {
		return errors.Join(err, listener.Close(), adminListener.Close())
	}
	began := r.Now()
	if err := r.Register(ctx, o.Version, began); err != nil {
		return errors.Join(err, listener.Close(), adminListener.Close())
	}
	numbers := metrics.New()
	ending := make(chan struct{})
	requests := request.New(r, ending, sshca.Kind{})
	apps := application.New(r, nil, o.Delivery)
	public := publicServer(r, e, requests, cards, apps, ending, attend(r, numbers))
	private := adminServer(admin.New(r, e, e, requests), r.Log)
	failed := make(chan error, 4)
	if err := monitor(ctx, r, o.Metrics, numbers, failed); err != nil {
		return errors.Join(err, listener.Close(), adminListener.Close())
	}
	plain, err := serveApplications(ctx, r, o.Applications, apps, failed)
	if err != nil {
		return errors.Join(err, listener.Close(), adminListener.Close())
	}
	go func() { failed <- public.ServeTLS(listener, "", "") }()
	go func() { failed <- private.Serve(adminListener) }()
	go r.Follow(ctx)
	if r.Reads() != nil {
		go reporter.New(r).Run(ctx)
	}
	asking, endAsking := context.WithCancel(ctx)
	defer endAsking()
	var asks sync.WaitGroup
	if r.Reads() == nil {
		asks.Go(func() { partner.NewPuller(r).Run(asking) })
	}
	if o.Ready != nil {
		o.Ready(listener.Addr(), r.Name)
	}
	register := func(ctx context.Context) error { return r.Register(ctx, o.Version, began) }
	agent := sshca.LookAtAgent(r)
	agent(ctx)
	err = wait(ctx, failed, upkeep(r, e, requests, apps, register, agent), pruning(r, e))
	close(ending)
	endAsking()
	asks.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	for _, s := range []*http.Server{public, private, plain} {
		if s.Shutdown(stop) != nil {
			_ = s.Close() // whoever still talks is cut off
		}
	}
	return err
}

// wait returns nil when ctx ends, an error when a listener does before.
func wait(ctx context.Context, failed <-chan error, now, then func(context.Context)) error {
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	prune := time.NewTicker(auth.PruneEvery)
	defer prune.Stop()
	// What is done meanwhile ends, also where a database is silent.
	within := func(d time.Duration, f func(context.Context)) {
		ctx, end := context.WithTimeout(ctx, d)
		defer end()
		f(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("serve: %w", err)
		case <-purge.C:
			within(purgeEvery, now)
		case <-prune.C:
			within(auth.PruneEvery, then)
		}
	}
}

// upkeep is what a server does each half minute.
func upkeep(r *realm.Realm, e *auth.Engine, requests *request.Engine, apps *application.Service, register func(context.Context) error, agent func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		r.RenewCertificate(ctx)
		r.KeepMark(ctx)
		agent(ctx)
		if err := register(ctx); err != nil {
			r.Log.WarnContext(ctx, "it is not noted that this server is there", "error", err)
		}
		if err := requests.Tidy(ctx); err != nil {
			r.Log.WarnContext(ctx, "it is not written down which requests are over", "error", err)
		}
		if err := apps.Tidy(ctx); err != nil {
			r.Log.WarnContext(ctx, "jobs of applications are left behind, or what is over is not forgotten", "error", err)
		}
		if err := e.Abandoned(ctx); err != nil {
			r.Log.WarnContext(ctx, "abandoned authentications are not in the audit log", "error", err)
		}
	}
}

// pruning forgets old failures and places.
func pruning(r *realm.Realm, e *auth.Engine) func(context.Context) {
	return func(ctx context.Context) {
		if err := e.Prune(ctx); err != nil {
			r.Log.WarnContext(ctx, "old failures and places are not pruned", "error", err)
		}
	}
}

// monitor answers monitoring, where it is to ask.
func monitor(ctx context.Context, r *realm.Realm, address string, numbers *prometheus.Registry, failed chan<- error) error {
	if address == "" {
		return nil
	}
	l, err := metrics.Listen(ctx, address)
	if err != nil {
		return err
	}
	go func() {
		if err := metrics.Serve(ctx, l, numbers, r.Ready); err != nil {
			failed <- err
		}
	}()
	return nil
}

func publicServer(r *realm.Realm, e *auth.Engine, requests *request.Engine, cards *cardservice.Handler, apps *application.Service, ending <-chan struct{}, each connect.Interceptor) *http.Server {
	limit := connect.WithHandlerOptions(connect.WithReadMaxBytes(maxRequest), connect.WithInterceptors(each))
	mux := http.NewServeMux()
	mux.Handle(sallyportv1connect.NewRealmServiceHandler(r, limit))
	d := directory.New(r, ending)
	mux.Handle(sallyportv1connect.NewMachineServiceHandler(machineService{d, e}, limit))
	mux.Handle(sallyportv1connect.NewDirectoryServiceHandler(d, limit, connect.WithCompressMinBytes(compressFrom)))
	mux.Handle(sallyportv1connect.NewAuthenticationServiceHandler(e, limit))
	mux.Handle(sallyportv1connect.NewCardServiceHandler(cards, limit))
	mux.Handle(sallyportv1connect.NewReportServiceHandler(e, limit))
	ca := sshca.New(r, requests)
	mux.Handle(sallyportv1connect.NewRequestServiceHandler(requestService{requests, ca}, limit))
	mux.Handle(sallyportv1connect.NewSSHServiceHandler(ca, limit))
	mux.Handle(identitypbconnect.NewIdentityServiceHandler(identityservice.New(r, e), limit))
	verifying := verification.New(r)
	mux.Handle(sallyportv1connect.NewVerifyServiceHandler(verifying, limit))
	mux.Handle(console.Path, console.New(r, e, verifying))
	mux.Handle(sallyportv1connect.NewPartnerServiceHandler(partner.New(r), limit))
	mux.Handle(application.Path, apps)
	return &http.Server{
		Handler: patience(realm.WithCallers(r.WithTerms(mux))),
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, GetCertificate: r.GetCertificate,
			// Any certificate will do: only its key counts, see package realm.
			ClientAuth: tls.RequestClientCert,
		},
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 16 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second,
			// The table for what machines send stays as it is: net/http goes by a smaller one
			// before the machine knows of it, and ends connections for that.
			MaxEncoderHeaderTableSize: headerTable,
		},
		ErrorLog: slog.NewLogLogger(r.Log.Handler(), slog.LevelDebug),
	}
}

// machineService is MachineService, of which an authentication's part is another room's.
type machineService struct {
	*directory.Directory
	verdicts
}

// requestService is RequestService, whose answers may have certificates with them, which are
// another room's.
type requestService struct {
	*request.Engine
	ca *sshca.Authority
}

// Ask implements RequestService.
func (s requestService) Ask(ctx context.Context, req *v1.AskRequest) (*v1.AskResponse, error) {
	resp, err := s.Engine.Ask(ctx, req)
	if err != nil || len(req.GetPublicKey()) == 0 || !request.MayBeUsed(resp.GetRequest()) {
		return resp, err //nolint:wrapcheck // what the caller is told
	}
	c, err := s.ca.Certify(ctx, &v1.CertifyRequest{Id: resp.GetRequest().GetId(), SessionToken: req.GetSessionToken(), PublicKey: req.GetPublicKey()})
	if err != nil {
		return resp, nil //nolint:nilerr // whoever asks for certificates is told why there are none
	}
	resp.Request, resp.Certified = c.GetRequest(), c
	c.Request = nil // it is said once
	return resp, nil
}

type verdicts interface {
	GetVerdict(context.Context, *v1.GetVerdictRequest) (*v1.GetVerdictResponse, error)
}
