package main

import (
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/provider/kanidm"
	"github.com/sallyport-auth/sallyport/provider/sallyport"
)

// kind is what one kind of provider is opened by: its row below is all that the daemon
// knows of it.
type kind struct {
	// open never fails: what the files of a realm lack it waits for.
	open func(*config.Config, *config.Provider, provider.Settings) provider.Provider
	// sound tells what keeps it from being opened now.
	sound func(*config.Config, *config.Provider, provider.Settings) error
}

func kinds() map[string]kind {
	return map[string]kind{
		config.Sallyport: {
			open: func(_ *config.Config, _ *config.Provider, s provider.Settings) provider.Provider {
				return sallyport.Open(s)
			},
			sound: func(_ *config.Config, _ *config.Provider, s provider.Settings) error { return sallyport.Sound(s) },
		},
		config.Kanidm: {
			open: func(c *config.Config, p *config.Provider, s provider.Settings) provider.Provider {
				return kanidm.Open(kanidmSettings(c, p, s))
			},
			sound: func(c *config.Config, p *config.Provider, s provider.Settings) error {
				return kanidm.Sound(kanidmSettings(c, p, s))
			},
		},
	}
}

func kanidmSettings(c *config.Config, p *config.Provider, s provider.Settings) kanidm.Settings {
	return kanidm.Settings{
		Settings: s, Token: p.Token, Stepped: p.SignIn.String() == config.Stepped, OfflineFor: time.Duration(c.Offline.MaxAge),
		Mapping: kanidm.Mapping{
			QualifiedUsers: p.UserName.Qualified(), QualifiedGroups: p.GroupName.Qualified(),
			HomePrefix: p.HomePrefix, HomeName: kanidm.Attribute(p.HomeName.String()), Shell: p.Shell,
		},
	}
}

// settingsOf are those that every kind has.
func settingsOf(c *config.Config, p *config.Provider) provider.Settings {
	return provider.Settings{
		URL: p.URL.String(), Others: p.URL.Others(), Proxy: p.Proxy.String(), Realm: p.Realm, CA: p.CA, MachineKey: c.Machine.Key, MachineID: c.Machine.ID,
		Version: version, Timeout: time.Duration(p.Timeout),
	}
}

// sound tells whether every realm can be opened by what its settings name, and whether
// monitoring may be answered where they say.
func sound(c *config.Config) error {
	if err := soundMetrics(c); err != nil {
		return err
	}
	all := kinds()
	for i := range c.Providers {
		p := &c.Providers[i]
		if err := all[p.Kind.String()].sound(c, p, settingsOf(c, p)); err != nil {
			return fmt.Errorf("realm %s: %w", p.Realm, err)
		}
	}
	return nil
}
