package sallyport

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// serversKey is where the realm's own list of servers is kept.
const serversKey = "sallyport servers"

// keptServers is how the realm's list is remembered.
type keptServers struct {
	// Anchor is kept.Anchor. With another one, what was remembered counts for nothing.
	Anchor []byte `cbor:"1,keyasint"`
	List   []byte `cbor:"2,keyasint"`
}

// listed is the newest list that is held. It counts for as long as the key that signed it
// does: a thief of a signing key must not be able to set a version that the realm, once it
// has taken that key away, could never reach.
type listed struct {
	version uint64
	urls    []string
	reading []string // of servers that only read
	signed  []byte
}

// recallServers takes up the list that was remembered. One that does not verify any more
// leaves the configured servers.
func (p *Provider) recallServers() error {
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	var k keptServers
	if err := p.remembered(ctx, serversKey, &k); err != nil {
		return err
	}
	ring := p.keys.Load()
	if ring == nil || !bytes.Equal(k.Anchor, p.anchor.realmKey) {
		return nil
	}
	if l, err := ring.ServerList(k.List); err == nil {
		p.listed = listed{l.Version, l.URLs, l.ReadOnly, k.List}
		p.setServers(l.URLs, l.ReadOnly)
	}
	return nil
}

// offeredServers judges the list that a server sends. One that is not believed is ignored,
// with a reason in status: the servers that are known already stay.
func (p *Provider) offeredServers(ctx context.Context, signed []byte) {
	if len(signed) == 0 {
		return // a realm without a list, or a server of before
	}
	p.listing.Lock()
	defer p.listing.Unlock()
	why := p.takeServers(ctx, signed)
	if was := p.serversIgnored.Swap(&why); why != "" && (was == nil || *was != why) {
		p.o.Log.WarnContext(ctx, "the realm's list of servers is ignored", "realm", p.o.Realm, "reason", why)
	}
}

// takeServers goes by a list that is newer, and says why it does not go by another.
func (p *Provider) takeServers(ctx context.Context, signed []byte) string {
	ring := p.keys.Load()
	if ring == nil {
		return "no key of the realm is known that could verify it"
	}
	if _, err := ring.ServerList(p.listed.signed); err != nil {
		p.listed = listed{}
	}
	l, err := ring.ServerList(signed)
	switch was := p.listed; {
	case err != nil:
		return "it does not verify: " + err.Error()
	case l.Version < was.version:
		return fmt.Sprintf("it is older than one that this machine has seen: version %d, and %d was seen", l.Version, was.version)
	case l.Version == was.version && slices.Equal(l.URLs, was.urls) && slices.Equal(l.ReadOnly, was.reading):
		return ""
	case l.Version == was.version:
		return fmt.Sprintf("it is another list of version %d than this machine has seen", l.Version)
	}
	k, err := cbor.Marshal(keptServers{Anchor: p.anchor.realmKey, List: signed})
	if err == nil {
		// A login that goes away must not tear what everybody needs.
		err = p.o.Memory.Remember(context.WithoutCancel(ctx), serversKey, k)
	}
	if err != nil {
		return "it cannot be remembered: " + err.Error()
	}
	p.listed = listed{l.Version, l.URLs, l.ReadOnly, signed}
	p.setServers(l.URLs, l.ReadOnly)
	return ""
}

// ServersIgnored implements provider.Fleet.
func (p *Provider) ServersIgnored() string {
	if why := p.serversIgnored.Load(); why != nil {
		return *why
	}
	return ""
}
