package sallyport

import (
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/provider"
)

// endedKey is where the grants are kept that were ended early: they have to be known also
// after a restart without the network. Certificates outlive none of them by long.
const endedKey = "sallyport ended grants"

// maxEnded bounds them.
const maxEnded = 1 << 14

// endedGrants are those that the server told last.
type endedGrants map[uuid.UUID]struct{}

func endedOf(requests [][]byte) (endedGrants, error) {
	if len(requests) > maxEnded {
		return nil, fmt.Errorf("%w: %d ended grants", provider.ErrOffline, len(requests))
	}
	m := make(endedGrants, len(requests))
	for _, b := range requests {
		id, err := uuid.FromBytes(b)
		if err != nil {
			return nil, fmt.Errorf("%w: ended grant: %w", provider.ErrOffline, err)
		}
		m[id] = struct{}{}
	}
	return m, nil
}

// grantsEnded takes over what the server says, and remembers it.
func (p *Provider) grantsEnded(ctx context.Context, requests [][]byte) error {
	m, err := endedOf(requests)
	if err != nil {
		return err
	}
	p.ended.Store(&m)
	ctx, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	b, err := cbor.Marshal(requests)
	if err == nil {
		err = p.o.Memory.Remember(ctx, endedKey, b)
	}
	if err != nil {
		return fmt.Errorf("remember ended grants: %w", err)
	}
	return nil
}

// recallEnded takes up what was remembered. What makes no sense is as good as forgotten.
func (p *Provider) recallEnded(ctx context.Context) error {
	var requests [][]byte
	if err := p.remembered(ctx, endedKey, &requests); err != nil {
		return err
	}
	if m, err := endedOf(requests); err == nil {
		p.ended.Store(&m)
	}
	return nil
}

// GrantEnded implements provider.SSHTrust.
func (p *Provider) GrantEnded(request uuid.UUID) bool {
	m := p.ended.Load()
	if m == nil {
		return false
	}
	_, ended := (*m)[request]
	return ended
}
