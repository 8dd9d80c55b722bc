package sallyport

import (
	"bytes"
	"fmt"
	"os"

	"github.com/sallyport-auth/sallyport/provider"
)

// Open makes the source that the settings describe. While its files cannot be read, it is
// a [provider.Deferred] that goes by the remembered key list.
func Open(s provider.Settings) provider.Provider {
	return provider.Open(func() (*Provider, error) { return opened(s) }, func() *Provider { return remembered(s) }, func(was, is *Provider) error {
		if was.agrees(is) {
			return nil
		}
		return fmt.Errorf("%s is of another realm key than this machine has remembered; if that is meant: sudo systemctl restart sallyportd", s.CA)
	})
}

// Sound tells what keeps the source from being opened, as far as its files tell.
func Sound(s provider.Settings) error {
	s.Memory = provider.Forgetful{}
	return provider.Sound(func() (*Provider, error) { return opened(s) }) //nolint:wrapcheck // this package's own
}

func opened(s provider.Settings) (*Provider, error) {
	f, err := s.Files()
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was about
	}
	o := options(s)
	o.RootPEM, o.MachineKey = f.CA, f.Key
	p, err := New(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.CA, err)
	}
	return p, nil
}

func options(s provider.Settings) Options {
	return Options{
		URL: s.URL, Others: s.Others, Log: s.Log, Proxy: s.Proxy, Realm: s.Realm, MachineID: s.MachineID, Version: s.Version, Memory: s.Memory,
		Timeouts: Timeouts{Dial: s.Timeout},
	}
}

// remembered is a source that verifies what is remembered, and can ask nobody. Without the
// file of the realm key it goes by the realm key that is remembered itself.
func remembered(s provider.Settings) *Provider {
	p := &Provider{o: options(s)}
	p.o.defaults()
	p.fleet.configured = []string{s.URL}
	p.setServers(nil, nil)
	if text, err := os.ReadFile(s.CA); err == nil {
		p.anchor, _ = readAnchor(text) // one that makes no sense is none
	}
	_ = p.recall() // what cannot be recalled verifies nothing
	return p
}

// agrees tells whether what this one verified the other verifies too.
func (p *Provider) agrees(o *Provider) bool {
	if p.keys.Load() == nil {
		return true
	}
	was, is := p.trust.Load(), o.trust.Load()
	if was == nil || is == nil {
		return was == is
	}
	return bytes.Equal(was.RealmKey, is.RealmKey)
}
