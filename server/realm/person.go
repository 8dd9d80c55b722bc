package realm

import (
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/server/store"
)

const (
	// skew is how far the clocks of two servers of the realm may differ.
	skew = 20 * time.Second
	// purposeAge is how old an authentication may be that was made for one thing alone.
	purposeAge = 2 * time.Minute
)

// noPerson refuses what could be, and is not now. That it is no CodePermissionDenied tells it
// from a machine that may ask for nothing.
func noPerson(format string, args ...any) error {
	return connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(format, args...))
}

// Person is who is there, by a session token for that purpose.
func (r *Realm) Person(tx *store.Tx, m store.Machine, signed []byte, purpose string) (store.Account, *identity.SessionToken, error) {
	keys, err := tx.SigningKeys()
	if err != nil {
		return store.Account{}, nil, fmt.Errorf("signing keys: %w", err)
	}
	// A ring of these keys alone: what a server that only reads has signed changes nothing.
	ring, err := identity.NewKeyring(r.Name, keys)
	if err != nil {
		return store.Account{}, nil, fmt.Errorf("keyring: %w", err)
	}
	s, err := ring.SessionToken(signed)
	if err == nil {
		err = s.Check(s.Account, m.UUID, r.Now(), skew)
	}
	switch {
	case err != nil:
		return store.Account{}, nil, noPerson("this needs a proof of who is there, and the one that was shown does not count: %w. Log in again", err)
	case s.Purpose != purpose:
		return store.Account{}, nil, noPerson("the authentication was made for something else: authenticate for this")
	case purpose != "" && r.Now().Sub(time.Unix(s.AuthenticatedAt, 0)) > purposeAge:
		return store.Account{}, nil, noPerson("the authentication for this is older than %s: authenticate again", purposeAge)
	}
	a, err := tx.Account(s.Account)
	if errors.Is(err, identity.ErrNotFound) {
		return store.Account{}, nil, noPerson("the account is gone. Ask your administrator")
	}
	if err != nil {
		return store.Account{}, nil, fmt.Errorf("account: %w", err)
	}
	within, err := tx.Admits(m.UUID, a.UUID)
	if err != nil {
		return store.Account{}, nil, fmt.Errorf("scope: %w", err)
	}
	if !within || a.StandingAt(r.Now()) != identity.Good {
		return store.Account{}, nil, noPerson("the account %s may not be used at this machine now. Ask your administrator", a.Name)
	}
	return a, s, nil
}
