package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-auth/sallyport/identity"
)

// KeysFor returns the ssh keys that may log in as name, none when the account
// may not log in here: the rules are those of the account phase. The keys come
// from the token as it was signed, which is verified again. Any peer may ask: it
// learns public halves, and sshd asks as a user without rights. A local name is
// identity.ErrNotFound.
func (d *Daemon) KeysFor(ctx context.Context, _ identity.Peer, name string) ([]identity.SSHKey, error) {
	q := question{typed: name}
	switch r := d.ask(ctx, accountChecks(), &q, nil); r.code {
	case identity.Granted:
	case identity.Unavailable:
		return nil, fmt.Errorf("%w: %s", identity.ErrUnavailable, r.detail)
	case identity.NotOurs, identity.UnknownUser:
		return nil, fmt.Errorf("%w: %s", identity.ErrNotFound, r.detail)
	default:
		return nil, nil
	}
	if q.e.keys == 0 {
		return nil, nil
	}
	c, err := d.o.Cache.Token(ctx, q.e.account.UUID)
	if err != nil {
		return nil, fmt.Errorf("%w: keys: %w", identity.ErrUnavailable, err)
	}
	t, err := d.o.Provider.Verify(c.Signed)
	if err != nil {
		return nil, fmt.Errorf("%w: keys: %w", identity.ErrUnavailable, err)
	}
	// On a full disk the stored token may be older than what we know: a key that
	// was taken away must not come back.
	if t.Account.UUID != q.e.account.UUID || t.Revision != q.e.revision {
		return nil, fmt.Errorf("%w: the stored keys are out of date", identity.ErrUnavailable)
	}
	return slices.Clone(t.SSHKeys), nil
}
