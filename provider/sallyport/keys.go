package sallyport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
	"github.com/sallyport-auth/sallyport/proto/sallyport/v1/sallyportv1connect"
	"github.com/sallyport-auth/sallyport/provider"
)

// askAgain is the shortest time between two requests for the key list because
// something does not fit it: a server that keeps sending such things must not make
// each of them two requests.
const askAgain = 2 * time.Second

// learn asks a server for the key list and the list of servers, and goes by them where
// they are newer.
func (e *endpoint) learn(ctx context.Context, by sallyportv1connect.RealmServiceClient) error {
	resp, err := by.Describe(ctx, &v1.DescribeRequest{})
	if err != nil {
		return fmt.Errorf("ask for the key list: %w", err)
	}
	if err := e.p.offered(ctx, resp); err != nil {
		return err
	}
	e.p.offeredServers(ctx, resp.GetServers())
	return nil
}

// Verify implements provider.Provider.
func (p *Provider) Verify(signed []byte) (*identity.IDToken, error) {
	ring := p.keys.Load()
	if ring == nil {
		return nil, fmt.Errorf("%w: %w: the realm's keys are not known yet", identity.ErrToken, identity.ErrUnknownKey)
	}
	return ring.IDToken(signed)
}

// check runs verify with the keyring, and once more after asking that server for the key
// list when the token's key is unknown: the realm may have a new one.
func (e *endpoint) check(ctx context.Context, verify func(*identity.Keyring) error) error {
	p := e.p
	ring := p.keys.Load()
	unknown := fmt.Errorf("%w: %w: the realm's keys are not known yet", identity.ErrToken, identity.ErrUnknownKey)
	if ring != nil {
		if unknown = verify(ring); !errors.Is(unknown, identity.ErrUnknownKey) {
			return unknown
		}
		if !p.mayAsk(&p.asked) {
			// Someone else has just asked; use what they learned.
			return verify(p.keys.Load())
		}
	}
	if err := e.learn(ctx, e.realms); errors.Is(err, errNoList) {
		return keyUnvouched(unknown)
	} else if err != nil {
		return err
	}
	if ring = p.keys.Load(); ring == nil {
		return unknown
	}
	return verify(ring)
}

// record verifies what the server sent just now. That it keeps the rules of a
// token is the resolver's to judge.
func (e *endpoint) record(ctx context.Context, signed []byte) (provider.Record, error) {
	r := provider.Record{Signed: signed}
	err := e.check(ctx, func(ring *identity.Keyring) (err error) {
		r.Token, err = ring.Vouched(signed)
		return err
	})
	return r, err
}
