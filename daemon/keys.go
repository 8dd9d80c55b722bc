package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/identity"
)

// KeysFor returns the ssh keys that may log in as name, none when the account
// may not log in here: the rules are those of the account phase. The keys come
// from the token as it was signed, which is verified again. Any peer may ask: it
// learns public halves, and sshd asks as a user without rights. A local name is
// identity.ErrNotFound.
func (d *Gate) KeysFor(ctx context.Context, _ identity.Peer, name string) ([]identity.SSHKey, error) {
	q := checks.Question{Typed: name}
	switch r := d.checks.Run(ctx, checks.Account(), &q, nil); r.Code {
	case identity.Granted:
	case identity.Unavailable:
		return nil, fmt.Errorf("%w: %s", identity.ErrUnavailable, r.Detail)
	case identity.NotOurs, identity.UnknownUser:
		return nil, fmt.Errorf("%w: %s", identity.ErrNotFound, r.Detail)
	default:
		return nil, nil
	}
	if q.Entry.Keys() == 0 {
		return nil, nil
	}
	t, err := d.SignedToken(ctx, q.Entry)
	if err != nil {
		return nil, fmt.Errorf("%w: keys: %w", identity.ErrUnavailable, err)
	}
	return slices.Clone(t.SSHKeys), nil
}
