package kanidm

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
)

// Settings are a realm of this kind as sallyportd.toml has it.
type Settings struct {
	provider.Settings
	// Token is the file of a service account's API token; "": the anonymous session.
	Token      string
	Stepped    bool
	Mapping    Mapping
	OfflineFor time.Duration
}

// recallTimeout is for the local memory.
const recallTimeout = 5 * time.Second

// Open makes the source that the settings describe. While its files cannot be read, it is
// a [provider.Deferred] that goes by the public half of the machine's key, which is
// remembered for that.
func Open(s Settings) provider.Provider {
	return provider.Open(func() (*Provider, error) { return opened(s) }, func() *Provider { return remembered(s) }, func(was, is *Provider) error {
		if was.public == nil || bytes.Equal(was.public, is.public) {
			return nil
		}
		return fmt.Errorf("%s is another key than this machine had; if that is meant: sudo systemctl restart sallyportd", s.MachineKey)
	})
}

// Sound tells what keeps the source from being opened, as far as its files tell.
func Sound(s Settings) error {
	s.Memory = provider.Forgetful{}
	return provider.Sound(func() (*Provider, error) { return opened(s) }) //nolint:wrapcheck // this package's own
}

func opened(s Settings) (*Provider, error) {
	f, err := s.Files()
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was about
	}
	o := s.options()
	o.RootPEM, o.MachineKey = f.CA, f.Key
	if s.Token != "" {
		if o.Token, err = provider.Token(s.Token); err != nil {
			return nil, fmt.Errorf("read the service account's token: %w", err)
		}
	}
	p, err := New(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.CA, err)
	}
	p.rememberKey(context.Background())
	return p, nil
}

func (s Settings) options() Options {
	return Options{
		URL: s.URL, Proxy: s.Proxy, Realm: s.Realm, MachineID: s.MachineID, Memory: s.Memory, Dial: s.Timeout,
		Stepped: s.Stepped, Mapping: s.Mapping, OfflineFor: s.OfflineFor,
	}
}

// keyOf is where the public half of a machine's key is remembered: what another machine
// made verifies nowhere else, also in a cache that was copied.
func keyOf(machine uuid.UUID) string { return "kanidm machine key " + machine.String() }

// rememberKey keeps what verifies the tokens of this machine. One that cannot be kept is
// missed only where the key itself goes missing.
func (p *Provider) rememberKey(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	key := keyOf(p.o.MachineID)
	if was, err := p.o.Memory.Recall(ctx, key); err != nil || !bytes.Equal(was, p.public) {
		_ = p.o.Memory.Remember(ctx, key, p.public)
	}
}

// remembered is a source that verifies what is remembered, and can ask nobody.
func remembered(s Settings) *Provider {
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	p := &Provider{o: s.options()}
	p.ring, _ = identity.NewKeyring(s.Realm, nil) // verifies nothing
	public, err := s.Memory.Recall(ctx, keyOf(s.MachineID))
	if err != nil || len(public) != ed25519.PublicKeySize {
		return p
	}
	if ring, err := identity.NewKeyring(s.Realm, []ed25519.PublicKey{public}); err == nil {
		p.public, p.ring = public, ring
	}
	return p
}
