package sallyport

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
)

// Timeouts bound what waits for the network; zero means the default. The
// caller's context may end a call sooner.
type Timeouts struct {
	// Dial is for connecting and for the TLS handshake, each: 5 s.
	Dial time.Duration
	// Call is for one request and its answer: 15 s.
	Call time.Duration
	// Silence is for how long a stream may bring nothing: 30 s. The server is told, and
	// says something every 14 s, or every 4 s if this is less than 30 s.
	Silence time.Duration
	// Return is within which time the change stream returns to a server that is preferred
	// to the one where it is, once that server answers again: 30 s. The moment is random.
	Return time.Duration
}

// Options configure a Provider.
type Options struct {
	// URL is https://HOST or https://HOST:PORT.
	URL string
	// Others are further servers of the realm. URL is preferred to them, and each to those
	// behind it.
	Others []string
	// Proxy is https.Way's.
	Proxy string
	// RootPEM is what the machine pinned when it joined: the realm key and a key list,
	// and for a machine that joined before there were realm keys, the certificate that
	// the server's must verify against.
	RootPEM []byte
	// MachineKey proves to be the machine; its public key is Ed25519.
	MachineKey crypto.Signer
	// MachineID is whom session tokens must be for.
	MachineID uuid.UUID
	// Realm, when not empty, is the only realm accepted.
	Realm string
	// Version is this machine's release, for the server's list of machines.
	Version string
	// Memory keeps the realm's public keys over restarts.
	Memory   provider.Memory
	Timeouts Timeouts
	// Log is told of servers that come and go; nil: nobody is.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	jitter func(time.Duration) time.Duration
}

// Provider is the servers of one realm as a source of accounts. It is safe for concurrent use.
type Provider struct {
	o      Options
	anchor anchor
	fleet  fleet
	trust  atomic.Pointer[trust]            // nil until known
	keys   atomic.Pointer[identity.Keyring] // the trust's, or a legacy machine's; nil until known
	// instance tells this process from a copy of the machine.
	instance uuid.UUID
	// taking lets one list in at a time. Nobody waits for the network under it.
	taking sync.Mutex
	// asked is when the key list was last asked for because of an unknown signing key.
	asked atomic.Int64
	// listing guards what is held of the realm's own list of servers.
	listing        sync.Mutex
	listed         listed
	serversIgnored atomic.Pointer[string] // why the last one that was sent is not gone by
	challenged     atomic.Pointer[challenged]
	term           highest
	ended          atomic.Pointer[endedGrants]
	settings       atomic.Pointer[settings] // nil until recalled
	heard          atomic.Pointer[provider.Position]
	hashing        hashing
}

var (
	_ provider.Provider        = (*Provider)(nil)
	_ provider.Lister          = (*Provider)(nil)
	_ provider.Watcher         = (*Provider)(nil)
	_ provider.PasswordChanger = (*Provider)(nil)
	_ provider.KeyRegistrar    = (*Provider)(nil)
	_ provider.LossReporter    = (*Provider)(nil)
	_ provider.Follower        = (*Provider)(nil)
)

// New makes a Provider. It does not touch the network; its errors are about the
// options or the memory.
func New(o Options) (*Provider, error) {
	for _, address := range append([]string{o.URL}, o.Others...) {
		if err := https.CheckURL(address); err != nil {
			return nil, err
		}
	}
	if o.MachineKey == nil || o.MachineID == uuid.Nil || o.Memory == nil {
		return nil, errors.New("sallyport provider: machine key, machine id and memory are needed")
	}
	if _, ok := o.MachineKey.Public().(ed25519.PublicKey); !ok {
		return nil, errors.New("sallyport provider: the machine key is not Ed25519")
	}
	o.defaults()
	anchor, err := readAnchor(o.RootPEM)
	if err != nil {
		return nil, err
	}
	cert, err := machineCertificate(o.MachineKey)
	if err != nil {
		return nil, err
	}
	p := &Provider{o: o, instance: uuid.New(), anchor: anchor, hashing: newHashing()}
	p.fleet.cert, p.fleet.configured = cert, append([]string{o.URL}, o.Others...)
	p.setServers(nil, nil)
	if err := p.recall(); err != nil {
		return nil, err
	}
	return p, errors.Join(p.recallServers(), p.recallTerm())
}

func (o *Options) defaults() {
	setDefault(&o.Timeouts.Dial, 5*time.Second)
	setDefault(&o.Timeouts.Call, 15*time.Second)
	setDefault(&o.Timeouts.Silence, 30*time.Second)
	setDefault(&o.Timeouts.Return, 30*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.jitter == nil {
		o.jitter = jittered
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func (p *Provider) way() https.Way { return https.Way{Proxy: p.o.Proxy, Dial: p.o.Timeouts.Dial} }

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Name implements provider.Provider.
func (p *Provider) Name() string { return "sallyport " + p.o.URL }

// Close implements provider.Provider.
func (p *Provider) Close() error {
	for _, e := range p.fleet.all() {
		e.closeIdle()
	}
	return nil
}

// Fetch implements provider.Provider.
func (p *Provider) Fetch(ctx context.Context, name identity.Name) (provider.Record, error) {
	req := &v1.GetIDTokenRequest{By: &v1.GetIDTokenRequest_Name{Name: string(name)}}
	return p.fetch(ctx, req, func(a *identity.Account) bool { return a.Name == name })
}

// FetchUID implements provider.Provider.
func (p *Provider) FetchUID(ctx context.Context, uid uint32) (provider.Record, error) {
	req := &v1.GetIDTokenRequest{By: &v1.GetIDTokenRequest_Uid{Uid: uid}}
	return p.fetch(ctx, req, func(a *identity.Account) bool { return a.UID == uid })
}

// Heard implements provider.Follower.
func (p *Provider) Heard(at provider.Position) { p.heard.Store(&at) }

func (p *Provider) fetch(ctx context.Context, req *v1.GetIDTokenRequest, asked func(*identity.Account) bool) (provider.Record, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	var r provider.Record
	err := p.ask(ctx, true, func(ctx context.Context, e *endpoint) error {
		resp, err := e.directory.GetIDToken(ctx, req)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		if r, err = e.record(ctx, resp.GetIdToken()); err == nil && !asked(&r.Token.Account) {
			err = fmt.Errorf("%w: it sent another account than was asked for", provider.ErrUntrusted)
		}
		return err
	})
	if err != nil {
		return provider.Record{}, meaning("fetch account", err)
	}
	return r, nil
}
