package kanidm

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/https"
)

// Attribute is which of an account's names is meant.
type Attribute string

// The attributes. SPN is name@domain.
const (
	ByName Attribute = "name"
	BySPN  Attribute = "spn"
	ByUUID Attribute = "uuid"
)

// Mapping says what the server does not: how accounts look on this machine.
type Mapping struct {
	// QualifiedUsers and QualifiedGroups: people, and groups, are called by their SPN and
	// not by their short name. The realm has to be called like the server's domain then.
	QualifiedUsers, QualifiedGroups bool
	// HomePrefix is what home directories begin with, "" is "/home/"; HomeName is what
	// follows it, "" is ByUUID.
	HomePrefix string
	HomeName   Attribute
	// Shell is for accounts that name none; "": /bin/sh.
	Shell string
}

// Options configure a Provider.
type Options struct {
	// URL is https://HOST[:PORT].
	URL string
	// Proxy is https.Way's.
	Proxy string
	// Realm stands in the tokens, and in nothing that the server sees.
	Realm string
	// RootPEM are the only authorities that may vouch for the server.
	RootPEM []byte
	// Token is a service account's API token; empty: the anonymous session.
	Token identity.Secret
	// Stepped has people sign in by Kanidm's own authentication, with all that it
	// demands of them; otherwise by their POSIX password.
	Stepped bool
	Mapping Mapping
	// MachineKey (Ed25519) signs tokens; MachineID is whom they are for.
	MachineKey crypto.Signer
	MachineID  uuid.UUID
	// Memory keeps revisions, and who holds a second factor, over restarts.
	Memory provider.Memory
	// Dial is for connecting and for the TLS handshake, each: 5 s. Call is for one
	// request and its answer: 15 s.
	Dial, Call time.Duration
	// SoftLock is after how long a lock that wrong answers brought about is over, as far as
	// a server tells at all: 45 s.
	SoftLock time.Duration
	// OfflineFor is how long an account may be trusted without contact: 14 days.
	OfflineFor time.Duration
	// Installed tells whether a program is on this machine; nil looks at its disk.
	Installed func(program string) bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Provider is one Kanidm server. It is safe for concurrent use.
type Provider struct {
	o      Options
	http   *http.Client
	pool   *http.Transport
	signer *identity.Signer
	public ed25519.PublicKey // of the machine's key
	ring   *identity.Keyring
	roots  *x509.CertPool

	session session
	kept    keeper     // what step-ups go on from
	seen    sync.Mutex // orders what is remembered of accounts
}

var (
	_ provider.Provider    = (*Provider)(nil)
	_ provider.StaticEpoch = (*Provider)(nil)
	_ provider.Limited     = (*Provider)(nil)
	_ provider.GroupFinder = (*Provider)(nil)
)

// New makes a Provider. It does not touch the network.
func New(o Options) (*Provider, error) {
	if err := https.CheckURL(o.URL); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	if o.MachineKey == nil || o.MachineID == uuid.Nil || o.Memory == nil || o.Realm == "" {
		return nil, errors.New("kanidm provider: machine key, machine id, realm and memory are needed")
	}
	public, ok := o.MachineKey.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("kanidm provider: the machine key is not Ed25519")
	}
	if err := o.Mapping.complete(); err != nil {
		return nil, err
	}
	for at, def := range map[*time.Duration]time.Duration{&o.Dial: 5 * time.Second, &o.Call: 15 * time.Second, &o.SoftLock: 45 * time.Second, &o.OfflineFor: 14 * 24 * time.Hour} {
		if *at <= 0 {
			*at = def
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Installed == nil {
		o.Installed = installed
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(o.RootPEM) {
		return nil, errors.New("kanidm provider: no root certificate in PEM form")
	}
	p := &Provider{o: o, public: public, session: session{lock: make(chan struct{}, 1)}}
	var err error
	if p.signer, err = identity.NewSigner(o.MachineKey); err != nil {
		return nil, fmt.Errorf("kanidm provider: %w", err)
	}
	if p.ring, err = identity.NewKeyring(o.Realm, []ed25519.PublicKey{public}); err != nil {
		return nil, fmt.Errorf("kanidm provider: %w", err)
	}
	p.roots = roots
	p.pool = https.Transport(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, https.Way{Proxy: o.Proxy, Dial: o.Dial})
	p.http = https.Client(p.pool)
	return p, nil
}

func (m *Mapping) complete() error {
	if m.HomeName == "" {
		m.HomeName = ByUUID
	}
	if m.HomePrefix == "" {
		m.HomePrefix = "/home/"
	}
	if m.Shell == "" {
		m.Shell = "/bin/sh"
	}
	switch {
	case m.HomeName != ByName && m.HomeName != BySPN && m.HomeName != ByUUID:
		return errors.New("kanidm provider: homes are named by \"name\", \"spn\" or \"uuid\"")
	case !strings.HasPrefix(m.HomePrefix, "/") || !strings.HasSuffix(m.HomePrefix, "/"):
		return fmt.Errorf("kanidm provider: home prefix %q: want a folder that begins and ends with '/'", m.HomePrefix)
	}
	return nil
}

// Name implements provider.Provider.
func (p *Provider) Name() string { return "kanidm " + p.o.URL }

// Close implements provider.Provider. The sessions that are kept are ended, as many of
// them as the server answers for within two seconds.
func (p *Provider) Close() error {
	p.end(context.Background(), p.kept.close()...)
	p.pool.CloseIdleConnections()
	return nil
}

// Verify implements provider.Provider. Names are in the form that the settings of
// today say, whatever those said when this machine made the token.
func (p *Provider) Verify(signed []byte) (*identity.IDToken, error) {
	t, err := p.ring.IDToken(signed)
	if err != nil {
		return nil, err //nolint:wrapcheck // identity.ErrToken, as the interface says
	}
	t.Account.Name = p.today(t.Account.Name, p.o.Mapping.QualifiedUsers)
	for i := range t.Groups {
		t.Groups[i].Name = p.today(t.Groups[i].Name, p.o.Mapping.QualifiedGroups)
	}
	return t, nil
}

// VerifyGroup implements provider.GroupFinder, as Verify does for accounts.
func (p *Provider) VerifyGroup(signed []byte) (*identity.GroupToken, error) {
	t, err := p.ring.GroupToken(signed)
	if err != nil {
		return nil, err //nolint:wrapcheck // identity.ErrToken, as the interface says
	}
	t.Group.Name = p.today(t.Group.Name, p.o.Mapping.QualifiedGroups)
	return t, nil
}

// today is a name in the form of the settings of today.
func (p *Provider) today(n identity.Name, qualified bool) identity.Name {
	if qualified {
		return n.Short() + identity.Name("@"+identity.FoldName(p.o.Realm))
	}
	return n.Short()
}

// Unprovable implements provider.Limited.
func (p *Provider) Unprovable(kind identity.FactorKind) string {
	switch {
	case kind == identity.PIV:
		return "A Kanidm server proves no smartcards of this machine: take \"piv\" out of what is demanded."
	case kind != identity.Password && !p.o.Stepped:
		return "Set sign_in = \"stepped\" for this realm in sallyportd.toml and restart sallyportd: the POSIX password, which is asked for now, proves nothing else."
	default:
		return ""
	}
}

// PasswordEpochsStatic implements provider.StaticEpoch.
func (p *Provider) PasswordEpochsStatic() {}
