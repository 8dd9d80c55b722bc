package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-auth/sallyport/card"
	"github.com/sallyport-auth/sallyport/card/mutual"
	"github.com/sallyport-auth/sallyport/config"
	"github.com/sallyport-auth/sallyport/daemon"
	"github.com/sallyport-auth/sallyport/provider"
)

// guarded are the cards as one realm may use them: behind the mutual authentication
// where that is set up, and not at all where its server knows no such thing.
func guarded(c *config.Config, p *config.Provider, cards *card.Service, source provider.Provider) (daemon.Cards, error) {
	if cards == nil {
		return nil, nil //nolint:nilnil // no cards are no error
	}
	mode := mutual.Always
	switch c.Cards.Mutual.String() {
	case "", config.MutualOff:
		return cards, nil
	case config.MutualOnline:
		mode = mutual.Online
	}
	server, can := source.(provider.CardProver)
	if !can {
		return nil, nil //nolint:nilnil // the same
	}
	key, err := readKey(c.Cards.MutualKey)
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
		Cards: cards, Server: server, Mode: mode, Unreachable: func(err error) bool { return errors.Is(err, provider.ErrOffline) },
		Service: mutual.NewMiddleware(mutual.Options{Key: key, Index: c.Cards.MutualIndex, Roots: roots, Realm: p.Realm}),
	}, nil
}
