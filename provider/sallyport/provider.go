package sallyport

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
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
	// Silence is for how long a stream may bring nothing: 10 s. The server says
	// something every 4 s.
	Silence time.Duration
}

// Options configure a Provider.
type Options struct {
	// URL is https://HOST or https://HOST:PORT.
	URL string
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
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Provider is one server as a source of accounts. It is safe for concurrent use.
type Provider struct {
	o         Options
	host      string // of URL
	anchor    anchor
	transport *transport
	realms    sallyportv1connect.RealmServiceClient
	directory sallyportv1connect.DirectoryServiceClient
	auth      sallyportv1connect.AuthenticationServiceClient
	machines  sallyportv1connect.MachineServiceClient
	cards     sallyportv1connect.CardServiceClient
	trust     atomic.Pointer[trust]            // nil until known
	keys      atomic.Pointer[identity.Keyring] // the trust's, or a legacy machine's; nil until known
	// instance tells this process from a copy of the machine.
	instance uuid.UUID
	// taking lets one list in at a time. Nobody waits for the network under it.
	taking sync.Mutex
	// asked and looked are when the key list was last asked for because of an unknown
	// signing key, and because of an unknown TLS key.
	asked, looked atomic.Int64
	looking       singleflight.Group
	judged        atomic.Pointer[judgement] // the last certificate that was not known
}

var (
	_ provider.Provider        = (*Provider)(nil)
	_ provider.Lister          = (*Provider)(nil)
	_ provider.Watcher         = (*Provider)(nil)
	_ provider.PasswordChanger = (*Provider)(nil)
	_ provider.KeyRegistrar    = (*Provider)(nil)
	_ provider.LossReporter    = (*Provider)(nil)
)

// New makes a Provider. It does not touch the network; its errors are about the
// options or the memory.
func New(o Options) (*Provider, error) {
	if err := https.CheckURL(o.URL); err != nil {
		return nil, err
	}
	if o.MachineKey == nil || o.MachineID == uuid.Nil || o.Memory == nil {
		return nil, errors.New("sallyport provider: machine key, machine id and memory are needed")
	}
	if _, ok := o.MachineKey.Public().(ed25519.PublicKey); !ok {
		return nil, errors.New("sallyport provider: the machine key is not Ed25519")
	}
	setDefault(&o.Timeouts.Dial, 5*time.Second)
	setDefault(&o.Timeouts.Call, 15*time.Second)
	setDefault(&o.Timeouts.Silence, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	anchor, err := readAnchor(o.RootPEM)
	if err != nil {
		return nil, err
	}
	cert, err := machineCertificate(o.MachineKey)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("server address: %w", err)
	}
	p := &Provider{o: o, instance: uuid.New(), host: u.Hostname(), anchor: anchor}
	p.transport = newTransport(tlsConfig(cert, p.verifyServer), p.way())
	hc := https.Client(p.transport)
	p.realms = sallyportv1connect.NewRealmServiceClient(hc, o.URL, limits())
	p.directory = sallyportv1connect.NewDirectoryServiceClient(hc, o.URL, limits())
	p.auth = sallyportv1connect.NewAuthenticationServiceClient(hc, o.URL, limits())
	p.machines = sallyportv1connect.NewMachineServiceClient(hc, o.URL, limits())
	p.cards = sallyportv1connect.NewCardServiceClient(hc, o.URL, limits())
	return p, p.recall()
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
	p.transport.CloseIdleConnections()
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

func (p *Provider) fetch(ctx context.Context, req *v1.GetIDTokenRequest, asked func(*identity.Account) bool) (provider.Record, error) {
	ctx, cancel := bounded(ctx, p.o.Timeouts.Call)
	defer cancel()
	resp, err := p.directory.GetIDToken(ctx, req)
	if err != nil {
		return provider.Record{}, meaning("fetch account", err)
	}
	r, err := p.record(ctx, resp.GetIdToken())
	if err == nil && !asked(&r.Token.Account) {
		err = fmt.Errorf("%w: it sent another account than was asked for", provider.ErrUntrusted)
	}
	if err != nil {
		return provider.Record{}, meaning("fetch account", err)
	}
	return r, nil
}

// List implements provider.Lister.
func (p *Provider) List(ctx context.Context, each func(provider.Record) error) (provider.Position, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(p.o.Timeouts.Silence, cancel)
	defer quiet.Stop()
	by := p.trust.Load()
	stream, err := p.directory.ListIDTokens(ctx, &v1.ListIDTokensRequest{})
	if err != nil {
		return provider.Position{}, meaning("list accounts", err)
	}
	defer func() { _ = stream.Close() }()
	var position provider.Position
	done := false
	for !done && stream.Receive() {
		// The silence is the server's; what the caller does in between is not.
		quiet.Stop()
		for _, signed := range stream.Msg().GetIdTokens() {
			r, err := p.record(ctx, signed)
			if err != nil {
				return provider.Position{}, meaning("list accounts", err)
			}
			if err := each(r); err != nil {
				return provider.Position{}, err
			}
		}
		done = stream.Msg().GetDone()
		if position, err = positionOf(stream.Msg()); err != nil {
			return provider.Position{}, meaning("list accounts", err)
		}
		quiet.Reset(p.o.Timeouts.Silence)
	}
	if !done {
		return provider.Position{}, meaning("list accounts", errors.Join(provider.ErrOffline, errShort, stream.Err()))
	}
	return position, meaning("list accounts", p.relisted(ctx, by))
}

var errShort = errors.New("the list ended before its end")
