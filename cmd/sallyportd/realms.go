package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/card"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
	"github.com/sallyport-auth/sallyport/seat"
)

// openSeal never fails: a machine whose seal cannot be used still lets people in whom the
// server answers for.
func openSeal(ctx context.Context, c *config.Config, log *slog.Logger) *seal.Choice {
	o := seal.Options{Dir: c.Paths.State, Kind: c.Seal.Kind.String(), Device: c.Seal.Device}
	sealed, err := seal.Open(ctx, o)
	if err != nil {
		log.Error("secrets of this machine cannot be used, so nobody can log in offline", "error", err)
		return &seal.Choice{Sealer: &seal.Closed{Of: o.Kind, Why: fmt.Errorf("%w; then: sudo systemctl restart sallyportd", err)}}
	}
	log.Info("secrets are sealed", "by", sealed.Sealer.Kind(), "detail", sealed.Detail)
	return sealed
}

// memory is what one realm remembers.
type memory struct {
	*cache.Cache
	// lost says why it is an empty one in place of the realm's own; nil: it is that.
	lost error
	dir  string // of the empty one
}

// openMemory opens a realm's cache. One that cannot be opened keeps that realm out, and no
// other: in its place is an empty one, which ends with the daemon.
func openMemory(ctx context.Context, c *config.Config, p *config.Provider, log *slog.Logger) (memory, error) {
	file, err := cacheFile(c, p)
	if err == nil {
		var own *cache.Cache
		if own, err = cache.Open(ctx, file, cache.Options{Log: log}); err == nil {
			return memory{Cache: own}, nil
		}
	}
	log.Error("what this machine remembers of a realm cannot be read", "realm", p.Realm, "error", err)
	m := memory{lost: fmt.Errorf("what this machine remembers of it cannot be read (%w); then: sudo systemctl restart sallyportd", err)}
	if m.dir, err = os.MkdirTemp("", "sallyportd-"); err != nil {
		return memory{}, fmt.Errorf("make an empty cache: %w", errors.Join(m.lost, err))
	}
	if m.Cache, err = cache.Open(ctx, filepath.Join(m.dir, "cache.db"), cache.Options{Log: log}); err != nil {
		return memory{}, fmt.Errorf("make an empty cache: %w", errors.Join(m.lost, err))
	}
	return m, nil
}

// close loses nothing: every write was acknowledged before.
func (m memory) close() {
	_ = m.Close()
	if m.dir != "" {
		_ = os.RemoveAll(m.dir)
	}
}

// openRealms opens what each realm has for itself, and adds them to o.Realms.
// It returns what each asks as well.
func openRealms(ctx context.Context, c *config.Config, cards *card.Service, o daemon.Options) (sources []provider.Source, closer func(), err error) {
	var opened []func()
	closer = func() {
		for _, end := range opened {
			end()
		}
	}
	all := make([]memory, len(c.Providers))
	for i := range c.Providers {
		if all[i], err = openMemory(ctx, c, &c.Providers[i], o.Log); err != nil {
			closer()
			return nil, nil, fmt.Errorf("realm %s: %w", c.Providers[i].Realm, err)
		}
		opened = append(opened, all[i].close)
	}
	subIDs := identity.IDRange(c.SubIDs.Range)
	for _, m := range all {
		if m.lost != nil { // whose range is whose is not known: none is given, and the list stays
			subIDs, o.SubIDList = identity.IDRange{Min: 1, Max: 1}, "" // too few for anybody
		}
	}
	for i := range c.Providers {
		p := &c.Providers[i]
		s := settingsOf(c, p)
		s.Memory, s.Closed, s.Log = all[i], all[i].lost, o.Log
		source := kinds()[p.Kind.String()].open(c, p, s)
		opened = append([]func(){func() { _ = source.Close() }}, opened...)
		sources = append(sources, provider.SourceOf(source))
		if err := sources[i].Unready(); err != nil {
			o.Log.Error("a realm cannot be used yet", "realm", p.Realm, "error", err)
		}
		one := o
		one.Cache, one.Provider, one.Realm, one.Policy = all[i].Cache, source, p.Realm, policyOf(c, p)
		one.Policy.SubIDs = subIDs
		one.Cards, one.Seats = guarded(c, p, cards, source, o.Log), seat.Seats{}
		if _, err := daemon.New(one); err != nil {
			closer()
			return nil, nil, fmt.Errorf("realm %s: start resolver: %w", p.Realm, err)
		}
	}
	return sources, closer, nil
}
