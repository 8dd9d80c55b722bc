package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/sallyport-auth/sallyport/card"
	"github.com/sallyport-auth/sallyport/card/mutual"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/keyfile"
	"github.com/sallyport-auth/sallyport/provider"
)

// guarded are the cards as one realm may use them: behind the mutual authentication
// where that is set up, and not at all where it cannot be had. That is no reason to
// keep people out who log in in another way.
func guarded(c *config.Config, p *config.Provider, cards *card.Service, source provider.Provider, log *slog.Logger) cards.Service {
	if cards == nil {
		return nil
	}
	if m := c.Cards.Mutual.String(); m == "" || m == config.MutualOff {
		return cards
	}
	server := provider.SourceOf(source).CardProver
	if server == nil { // nor have people of such a realm cards
		return nil
	}
	g, err := guard(c, p, cards, server)
	if err != nil {
		log.Error("no card can be used", "realm", p.Realm, "error", err)
		return &mutual.Closed{Cards: cards, Why: err}
	}
	return g
}

func guard(c *config.Config, p *config.Provider, cards *card.Service, server mutual.Server) (*mutual.Guard, error) {
	mode := mutual.Always
	if c.Cards.Mutual.String() == config.MutualOnline {
		mode = mutual.Online
	}
	key, err := keyfile.Read(c.Cards.MutualKey)
	if err != nil {
		return nil, fmt.Errorf("read the card service's key: %w", err)
	}
	text, err := os.ReadFile(c.Cards.MutualRoots)
	if err != nil {
		return nil, fmt.Errorf("read who may certify a server for cards: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in PEM form", c.Cards.MutualRoots)
	}
	return &mutual.Guard{
		Cards: cards, Server: server, Mode: mode, Unreachable: func(err error) bool {
			return errors.Is(err, provider.ErrOffline) && !errors.Is(err, provider.ErrUntrusted)
		},
		Service: mutual.NewMiddleware(mutual.Options{Key: key, Index: c.Cards.MutualIndex, Roots: roots, Realm: p.Realm}),
	}, nil
}
