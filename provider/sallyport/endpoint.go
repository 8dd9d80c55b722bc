package sallyport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/singleflight"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/proto/identity/identitypbconnect"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
)

// endpoint is one server of the realm: its address, the connections to it and its health.
type endpoint struct {
	p          *Provider
	url, host  string     // host of url, without a port
	calls      *transport // of all requests but the change stream
	line       line
	realms     sallyportv1connect.RealmServiceClient
	directory  sallyportv1connect.DirectoryServiceClient
	auth       sallyportv1connect.AuthenticationServiceClient
	machines   sallyportv1connect.MachineServiceClient
	cards      sallyportv1connect.CardServiceClient
	requests   sallyportv1connect.RequestServiceClient
	verify     sallyportv1connect.VerifyServiceClient
	ssh        sallyportv1connect.SSHServiceClient
	identities identitypbconnect.IdentityServiceClient
	health     health
	// looked is when the key list was last asked for because of an unknown TLS key.
	looked  atomic.Int64
	looking singleflight.Group
	judged  atomic.Pointer[judgement] // the last certificate that was not known
	term    atomic.Uint64             // that it said last; 0: it says none
	reads   atomic.Bool               // the realm's list says that it only reads
}

// line is a connection of its own for the change stream. It stays for days, so a ping on it
// is rare, and no list goes over it: HTTP/2 at the server would keep room for the largest
// piece of it as long as the connection lives. A request goes over a connection that was made
// or used a moment ago, so that it does not wait for one whose network is gone.
type line struct {
	*transport
	realms    sallyportv1connect.RealmServiceClient
	directory sallyportv1connect.DirectoryServiceClient
}

const (
	// keepCalls is for how long a connection is kept for the next request.
	keepCalls = 30 * time.Second
	// quietLine is after how long without a word a ping asks on the change stream's
	// connection. The server says something every 14 s.
	quietLine = 15 * time.Second
)

func (e *endpoint) newLine(address string, config *tls.Config) line {
	way := e.p.way()
	way.Quiet = quietLine
	t := newTransport(config, way)
	hc := https.Client(termed{e, t})
	return line{t, sallyportv1connect.NewRealmServiceClient(hc, address, limits()), sallyportv1connect.NewDirectoryServiceClient(hc, address, limits())}
}

// renew has what begins from now on make connections of its own.
func (e *endpoint) renew() {
	if e.calls != nil { // one that can ask nobody has none
		e.calls.renew()
		e.line.renew()
	}
}

func (e *endpoint) closeIdle() {
	if e.calls != nil {
		e.calls.CloseIdleConnections()
		e.line.CloseIdleConnections()
	}
}

// newEndpoint makes no connection. Without a certificate it can ask nobody.
func (p *Provider) newEndpoint(address string, cert *tls.Certificate) *endpoint {
	e := &endpoint{p: p, url: address, health: health{now: p.o.Now, jitter: p.o.jitter}}
	if u, err := url.Parse(address); err == nil {
		e.host = u.Hostname()
	}
	if cert == nil {
		return e
	}
	config, way := tlsConfig(cert, e.verifyServer), p.way()
	way.Keep = keepCalls
	e.calls, e.line = newTransport(config, way), e.newLine(address, config)
	hc := https.Client(termed{e, e.calls})
	e.realms = sallyportv1connect.NewRealmServiceClient(hc, address, limits())
	e.directory = sallyportv1connect.NewDirectoryServiceClient(hc, address, limits())
	e.auth = sallyportv1connect.NewAuthenticationServiceClient(hc, address, limits())
	e.machines = sallyportv1connect.NewMachineServiceClient(hc, address, limits())
	e.cards = sallyportv1connect.NewCardServiceClient(hc, address, limits())
	e.requests = sallyportv1connect.NewRequestServiceClient(hc, address, limits())
	e.verify = sallyportv1connect.NewVerifyServiceClient(hc, address, limits())
	e.ssh = sallyportv1connect.NewSSHServiceClient(hc, address, limits())
	e.identities = identitypbconnect.NewIdentityServiceClient(hc, address, limits(), connect.WithGRPC())
	return e
}

// Reasons to leave a server that does not answer, while another one is left.
var (
	errSlowConnect = errors.New("it cannot be connected to in time")
	errSlowAnswer  = errors.New("it does not answer in time")
)

// limit bounds a request at a server while another server is left to ask. Zero is none.
type limit struct{ connect, whole time.Duration }

const (
	// mostConnect is for how long a connection is waited for while another server is left.
	mostConnect = 2 * time.Second
	// leastBlame is how long a server may take before it counts as down for being slow, and
	// leastConnect, to be connected to.
	leastBlame   = time.Second
	leastConnect = 500 * time.Millisecond
)

// limitOf leaves enough of the caller's time for another server: a third of it for
// connecting, and that share of it for the whole request.
func limitOf(ctx context.Context, share float64) limit {
	end, has := ctx.Deadline()
	if !has {
		return limit{connect: mostConnect}
	}
	left := time.Until(end)
	return limit{connect: min(left/3, mostConnect), whole: time.Duration(share * float64(left))}
}

// tried is what came of a request at one server.
type tried struct {
	err  error
	lost bool // it gave no answer that counts
	sent bool // it may have got the request
}

// try makes a request there and notes what that says of the server's health.
func (e *endpoint) try(ctx context.Context, l limit, call func(context.Context, *endpoint) error) tried {
	parent, began := ctx, time.Now()
	ended := false
	defer func() {
		if !ended { // a panic: whoever comes next finds out
			e.note(unclear, nil)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var connected, written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected.Store(true) },
		WroteRequest: func(i httptrace.WroteRequestInfo) { written.Store(written.Load() || i.Err == nil) },
	})
	if l.connect > 0 {
		slow := time.AfterFunc(l.connect, func() {
			if !connected.Load() {
				cancel(errSlowConnect)
			}
		})
		defer slow.Stop()
	}
	if l.whole > 0 {
		slow := time.AfterFunc(l.whole, func() { cancel(errSlowAnswer) })
		defer slow.Stop()
	}
	t := tried{err: call(ctx, e)}
	ended = true
	t.sent = written.Load() || connected.Load() && !isWrite(t.err)
	t.lost = t.err != nil && errors.Is(sentinel(t.err), provider.ErrOffline)
	if !t.lost || onlyReads(t.err) || asksAnother(t.err) {
		e.note(answered, nil)
		return t
	}
	cause := context.Cause(ctx)
	slow := errors.Is(cause, errSlowConnect) || errors.Is(cause, errSlowAnswer)
	if slow {
		t.err = errors.Join(cause, context.DeadlineExceeded)
	}
	blame := leastBlame
	if !connected.Load() {
		blame = leastConnect
	}
	if errors.Is(parent.Err(), context.Canceled) || (slow || parent.Err() != nil) && time.Since(began) < blame {
		e.note(unclear, nil)
		return t
	}
	e.note(failed, t.err)
	if slow && connected.Load() {
		e.renew() // the next try is not to wait on the same dead connection
	}
	return t
}

// is tells whether that is its address.
func (e *endpoint) is(address string) bool {
	return identity.ServerKey(address) == identity.ServerKey(e.url)
}

// onlyReads tells whether a server said that it only reads, and so did nothing: another one
// has to be asked, and this one is well.
func onlyReads(err error) bool {
	var e *connect.Error
	return errors.As(err, &e) && connect.IsWireError(err) && hasDetail[*v1.OnlyReads](e)
}

// asksAnother tells whether a server said that it cannot do this now, and that another one
// may be able to.
func asksAnother(err error) bool {
	var e *connect.Error
	return errors.As(err, &e) && connect.IsWireError(err) && hasDetail[*v1.AskAnother](e)
}

// isWrite tells whether a connection broke while the request was written: a server that did
// not get the end of a request has not begun with it.
func isWrite(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "write"
}

// note applies what came of a request, and writes down what changed.
func (e *endpoint) note(what happening, why error) {
	if !e.health.note(what, why) || len(e.p.fleet.all()) < 2 {
		return
	}
	if what != failed {
		e.p.o.Log.Info("a server of the realm answers again", "realm", e.p.o.Realm, "server", e.url)
		return
	}
	if isOlder(why) {
		e.p.o.Log.Error("ALARM: a server serves an older copy of the realm's database", "realm", e.p.o.Realm, "server", e.url, "error", why)
		return
	}
	if errors.Is(sentinel(why), provider.ErrUntrusted) {
		e.p.o.Log.Error("ALARM: someone answered at a server's address who could not prove to be the server", "realm", e.p.o.Realm, "server", e.url, "error", why)
		return
	}
	e.p.o.Log.Warn("a server of the realm does not answer", "realm", e.p.o.Realm, "server", e.url, "error", why)
}

// says puts the server's address into an error's cause, where there are several.
func (e *endpoint) says(err error) error {
	if len(e.p.fleet.all()) < 2 {
		return err
	}
	cause := new(provider.CauseError)
	if !errors.As(caused(err), &cause) {
		return &endpointError{e.url, err}
	}
	places := append([]string{}, cause.Places...)
	places = append(places, "URL", e.url, "HOST", e.host, "ADDRESS", hostPort(e.url))
	return &provider.CauseError{Cause: cause.Cause, Places: places, Err: &endpointError{e.url, err}}
}

// endpointError says which of several servers an error is of.
type endpointError struct {
	url string
	err error
}

func (e *endpointError) Error() string { return e.url + ": " + e.err.Error() }
func (e *endpointError) Unwrap() error { return e.err }
