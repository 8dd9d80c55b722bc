package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// HeldToken is what a token of a device is judged by: of the service its days alone, of the
// account who it is and how it stands.
type HeldToken struct {
	Service IdentityService
	Account Account
	Token   IdentityToken
}

type heldTokenOr struct {
	HeldToken
	known bool
}

// tokenFor asks for a token on behalf of a machine that may know everybody.
type tokenFor struct {
	key    string // the machine's
	name   identity.Name
	device string
}

// IdentityTokenForKey finds what is kept of a device's token, on behalf of the machine of a key
// that may know everybody. It is identity.ErrNotFound where the device has none, the service is
// off, or the machine is shut out or has a scope: others find out which. Those who ask at the
// same time are answered by one query.
func (s *Store) IdentityTokenForKey(ctx context.Context, key ed25519.PublicKey, name identity.Name, device string) (HeldToken, error) {
	h, err := s.shared.tokens.ask(ctx, tokenFor{string(key), name, device})
	if err == nil && !h.known {
		err = identity.ErrNotFound
	}
	return h.HeldToken, err
}

// heldTokens answers several by one query.
func (t *Tx) heldTokens(list []tokenFor) ([]heldTokenOr, error) {
	type held struct {
		name   identity.Name
		device string
	}
	var service IdentityService
	tokens, machines := make(map[held]HeldToken), make(map[string]bool)
	names, devices, keys := make([]string, len(list)), make([]string, len(list)), make([][]byte, len(list))
	for i, q := range list {
		names[i], devices[i], keys[i] = string(q.name), q.device, []byte(q.key)
	}
	n, d := padded(names), padded(devices)
	err := t.wide(``, nil, part{
		what: "service", ints: []string{`enabled`, `idle_days`, `most_days`}, from: `identity_service`,
		read: func(r *wideRow) error {
			service = IdentityService{Enabled: r.is(0), IdleDays: r.small(1), MostDays: r.small(2)}
			return nil
		},
	}, part{
		what: "token", texts: []string{`a.uuid`, `a.name`, `k.device`}, bytes: []string{`k.token_hash`},
		ints: []string{`a.state`, `a.valid_from`, `a.valid_until`, `k.created`, `k.used`},
		from: `accounts a JOIN identity_tokens k ON k.account_uuid = a.uuid WHERE a.name IN (` + marks(len(n)) + `) AND k.device IN (` + marks(len(d)) + `)`,
		args: append(n, d...),
		read: func(r *wideRow) (err error) {
			var h HeldToken
			h.Account.Name, h.Account.State, h.Account.ValidFrom, h.Account.ValidUntil = identity.Name(r.str(1)), identity.State(r.num(0)), r.num(1), r.num(2) //nolint:gosec // as it was stored
			h.Token = IdentityToken{Device: r.str(2), Hash: bytes.Clone(r.byte[0]), Created: time.Unix(r.num(3), 0), Used: time.Unix(r.num(4), 0)}
			h.Account.UUID, err = r.id(0)
			tokens[held{h.Account.Name, h.Token.Device}] = h
			return err
		},
	}, openMachines(padded(keys), machines))
	if err != nil {
		return nil, fmt.Errorf("tokens of devices: %w", err)
	}
	found := make([]heldTokenOr, len(list))
	for i, q := range list {
		if h, has := tokens[held{q.name, q.device}]; has && machines[q.key] && service.Enabled {
			h.Service = service
			found[i] = heldTokenOr{h, true}
		}
	}
	return found, nil
}
