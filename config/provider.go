package config

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sallyport-auth/sallyport/identity"
)

// Provider is one source of accounts.
type Provider struct {
	Kind    Kind     `toml:"kind"`
	URL     URLs     `toml:"url"` // one, or for a kind that knows several a list
	Realm   string   `toml:"realm"`
	Proxy   Proxy    `toml:"proxy"`   // that CONNECTs to the server; default none
	CA      string   `toml:"ca"`      // PEM: the only certificates that may vouch for the server
	Timeout Duration `toml:"timeout"` // of one request; then the machine counts as offline
	// IDs are the ranges of this provider, where there are several; [ids] allow is for one.
	IDs []Range `toml:"ids"`
	// The rest is for one kind of server alone.
	KanidmSettings
}

// completeProviders checks each, and what several of them must not share.
func (c *Config) completeProviders() error {
	if len(c.Providers) == 0 {
		return errors.New("no [[provider]]: there is no server to ask")
	}
	if len(c.Providers) > identity.MaxRealms {
		return fmt.Errorf("%d [[provider]], at most %d", len(c.Providers), identity.MaxRealms)
	}
	for i := range c.Providers {
		p := &c.Providers[i]
		if p.Timeout == 0 {
			p.Timeout = defaultTimeout
		}
		if err := p.check(); err != nil {
			return err
		}
		if len(c.Providers) > 1 && len(p.IDs) == 0 {
			return fmt.Errorf("[[provider]] %s: where there are several, each needs ids of its own: ids = [\"MIN-MAX\"]", p.Realm)
		}
		for _, o := range c.Providers[:i] {
			if err := o.apart(p); err != nil {
				return err
			}
		}
	}
	if len(c.Providers) > 1 && len(c.IDs.Allow) > 0 {
		return errors.New("[ids] allow is for one [[provider]]; of several each names its ids")
	}
	if len(c.Providers) == 1 && len(c.Providers[0].IDs) > 0 {
		return errors.New("[[provider]] ids are for several; of one, [ids] allow says it")
	}
	return nil
}

func (p *Provider) check() error {
	switch {
	case p.Kind.text == "":
		return errors.New("[[provider]] kind is missing; this version knows " + known())
	case len(p.URL) == 0:
		return errors.New("[[provider]] url is missing")
	case p.Realm == "":
		return errors.New("[[provider]] realm is missing")
	case len(p.Realm) > identity.MaxRealmLen:
		return fmt.Errorf("[[provider]] realm of %d bytes, at most %d", len(p.Realm), identity.MaxRealmLen)
	case p.CA == "":
		return errors.New("[[provider]] ca is missing: without it nobody could vouch for the server")
	case p.Timeout <= 0:
		return errors.New("[[provider]] timeout must be above zero")
	case !filepath.IsAbs(p.CA):
		return fmt.Errorf("[[provider]] ca: %q is not an absolute path", p.CA)
	case !p.Kind.row().mapped && firstOf(&p.KanidmSettings) != "":
		return fmt.Errorf("[[provider]] %s is for kind = %q alone", firstOf(&p.KanidmSettings), Kanidm)
	}
	if err := p.checkServers(); err != nil {
		return err
	}
	return p.KanidmSettings.check(p.Realm)
}

// checkServers refuses a list of servers that could not be meant.
func (p *Provider) checkServers() error {
	if len(p.URL) > identity.MaxServers {
		return fmt.Errorf("[[provider]] url: %d servers, at most %d", len(p.URL), identity.MaxServers)
	}
	if len(p.URL) > 1 && !p.Kind.row().fleet {
		return fmt.Errorf("[[provider]] url: a realm of kind %q has one server, so url is one address and no list", p.Kind)
	}
	for i, u := range p.URL {
		if p.URL[:i].Has(u.String()) {
			return fmt.Errorf("[[provider]] url: %s is in the list twice", u)
		}
	}
	return nil
}

// qualifies tells whether a name may end in "@" and the realm.
func qualifies(realm string) bool {
	_, err := identity.ParseName("a@" + identity.FoldName(realm))
	return err == nil
}

// apart refuses what two providers cannot share.
func (p *Provider) apart(o *Provider) error {
	switch {
	case p.Realm == o.Realm:
		return fmt.Errorf("two [[provider]] of the realm %q", p.Realm)
	case p.Kind.Joined() && o.Kind == p.Kind:
		return fmt.Errorf("two [[provider]] of kind %q: a machine can join one such realm", p.Kind)
	}
	for _, a := range p.IDs {
		for _, b := range o.IDs {
			if a.Min <= b.Max && b.Min <= a.Max {
				return fmt.Errorf("[[provider]] ids: %s of %s and %s of %s overlap", identity.IDRange(a), p.Realm, identity.IDRange(b), o.Realm)
			}
		}
	}
	return nil
}
