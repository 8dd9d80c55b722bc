package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-auth/sallyport/identity"
)

// Provider is one source of accounts.
type Provider struct {
	Kind    Kind     `toml:"kind"`
	URL     URL      `toml:"url"`
	Realm   string   `toml:"realm"`
	Proxy   Proxy    `toml:"proxy"`   // that CONNECTs to the server; default none
	CA      string   `toml:"ca"`      // PEM: the only certificates that may vouch for the server
	Timeout Duration `toml:"timeout"` // of one request; then the machine counts as offline
	// IDs are the ranges of this provider, where there are several; [ids] allow is for one.
	IDs []Range `toml:"ids"`
	// The rest is for a Kanidm server alone, which tells none of it.
	SignIn     SignIn   `toml:"sign_in"`     // default "posix"
	Token      string   `toml:"token"`       // file of a service account's API token; none: anonymous
	HomePrefix string   `toml:"home_prefix"` // default "/home/"
	HomeName   HomeName `toml:"home_name"`   // what follows it; default "uuid"
	Shell      string   `toml:"shell"`       // of accounts that name none; default /bin/sh
	UserName   NameForm `toml:"user_name"`   // default "name"
	GroupName  NameForm `toml:"group_name"`  // default "name"
}

// kanidmOnly names the first setting that only a Kanidm server has; "" for none.
func (p *Provider) kanidmOnly() string {
	for _, s := range [...]struct{ name, value string }{
		{"sign_in", p.SignIn.String()},
		{"token", p.Token},
		{"home_prefix", p.HomePrefix},
		{"home_name", p.HomeName.String()},
		{"shell", p.Shell},
		{"user_name", p.UserName.String()},
		{"group_name", p.GroupName.String()},
	} {
		if s.value != "" {
			return s.name
		}
	}
	return ""
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
		return errors.New(`[[provider]] kind is missing; this version knows "sallyport" and "kanidm"`)
	case p.URL.text == "":
		return errors.New("[[provider]] url is missing")
	case p.Realm == "":
		return errors.New("[[provider]] realm is missing")
	case len(p.Realm) > identity.MaxRealmLen:
		return fmt.Errorf("[[provider]] realm of %d bytes, at most %d", len(p.Realm), identity.MaxRealmLen)
	case (p.UserName.Qualified() || p.GroupName.Qualified()) && !qualifies(p.Realm):
		return fmt.Errorf("[[provider]] realm: %q can stand in no name; user_name and group_name = \"spn\" need the server's domain here", p.Realm)
	case p.CA == "":
		return errors.New("[[provider]] ca is missing: without it nobody could vouch for the server")
	case p.Timeout <= 0:
		return errors.New("[[provider]] timeout must be above zero")
	case p.Kind.text != Kanidm && p.kanidmOnly() != "":
		return fmt.Errorf("[[provider]] %s is for kind = \"kanidm\" alone", p.kanidmOnly())
	case p.HomePrefix != "" && (!strings.HasPrefix(p.HomePrefix, "/") || !strings.HasSuffix(p.HomePrefix, "/")):
		return fmt.Errorf("[[provider]] home_prefix: %q must begin and end with '/'", p.HomePrefix)
	}
	for name, path := range map[string]string{"ca": p.CA, "token": p.Token} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("[[provider]] %s: %q is not an absolute path", name, path)
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
	case p.Kind.text == Sallyport && o.Kind.text == Sallyport:
		return errors.New("two [[provider]] of kind \"sallyport\": a machine can join one such realm")
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

// KanidmIDs are what a Kanidm server allots (0x70000000 to 0x7fffffff, without what
// identity.CheckID reserves), and of the numbers that its book recommends for setting by
// hand (65536 to 524287) those below login.defs(5)'s SUB_UID_MIN.
var KanidmIDs = []identity.IDRange{{Min: 65536, Max: 99999}, {Min: 1879048192, Max: 2147352575}, {Min: 2147418112, Max: 2147483647}} //nolint:gochecknoglobals // a constant table

// AnyID is every id that no rule reserves: what an administrator may choose.
var AnyID = []identity.IDRange{{Min: 1000, Max: 60000}, {Min: 65536, Max: 2147352575}, {Min: 2147418112, Max: 2147483647}} //nolint:gochecknoglobals // the same

// IDRanges are the ranges to accept from a provider. With none in the file it is what
// such a server allots from, and none that useradd(8) gives to local users or to their
// subordinate ids: those are taken where the administrator writes them, and nowhere else.
func (c *Config) IDRanges(p *Provider) []identity.IDRange {
	from := p.IDs
	if len(from) == 0 {
		from = c.IDs.Allow
	}
	if len(from) == 0 {
		if p.Kind.text == Kanidm {
			return slices.Clone(KanidmIDs)
		}
		return []identity.IDRange{identity.DefaultIDRange}
	}
	ranges := make([]identity.IDRange, len(from))
	for i, r := range from {
		ranges[i] = identity.IDRange(r)
	}
	return ranges
}
