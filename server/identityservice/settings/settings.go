// Package settings is how the identity service of a realm is set: whether it is on, its OPAQUE
// keys, and for how long its tokens are good, and which chain wallets sign for. It is apart from the service, which answers
// machines: administrators' commands read and change it. The keys leave it as a secret.
package settings

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/server/realm"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of the days of tokens, and their values where nobody has set them.
const (
	maxIdleDays, usualIdleDays = 365, 30
	maxDays, usualDays         = 3650, 365
	usualChain                 = 1 // of Ethereum itself
)

// keysOf is no account's: what the OPAQUE keys are sealed for.
var keysOf = uuid.MustParse("6f706171-7565-4000-8000-000000000001") //nolint:gochecknoglobals // a constant

// Change is what an administrator sets; nil stays.
type Change struct {
	Enabled            *bool
	IdleDays, MostDays *uint32
	WalletChain        *uint64
}

// Read reads them. The service is off where nobody has switched it on.
func Read(tx *store.Tx) (store.IdentityService, error) {
	set, err := tx.IdentityService()
	if errors.Is(err, identity.ErrNotFound) {
		return store.IdentityService{IdleDays: usualIdleDays, MostDays: usualDays, WalletChain: usualChain}, nil
	}
	return set, err
}

// Set changes them. The keys of OPAQUE are made at the first change, and stay: what people have
// registered is good under these alone.
func Set(tx *store.Tx, r *realm.Realm, c Change) (set store.IdentityService, err error) {
	if set, err = Read(tx); err != nil {
		return set, err
	}
	if c.Enabled != nil {
		set.Enabled = *c.Enabled
	}
	for _, days := range []struct {
		to   *uint32
		from *uint32
		most uint32
		what string
	}{{&set.IdleDays, c.IdleDays, maxIdleDays, "without being used"}, {&set.MostDays, c.MostDays, maxDays, "in all"}} {
		if days.from == nil {
			continue
		}
		if *days.from == 0 || *days.from > days.most {
			return set, fmt.Errorf("%w: a token is good for 1 to %d days %s", realm.ErrInput, days.most, days.what)
		}
		*days.to = *days.from
	}
	if c.WalletChain != nil {
		if *c.WalletChain == 0 || *c.WalletChain > math.MaxInt64 {
			return set, fmt.Errorf("%w: a chain's id is 1 or more", realm.ErrInput)
		}
		set.WalletChain = *c.WalletChain
	}
	if set.Sealed == nil {
		keys, err := pake.ForIdentities.NewKeys(r.Name)
		if err != nil {
			return set, err //nolint:wrapcheck // it says what it is about
		}
		set.Sealed = r.Box.Seal(keysOf, keys)
	}
	return set, tx.SetIdentityService(set)
}

// Keys are the keys of OPAQUE.
func Keys(r *realm.Realm, set store.IdentityService) (identity.Secret, error) {
	return r.Box.Open(keysOf, set.Sealed) //nolint:wrapcheck // it says what it is about
}

// Expires is when a token ends that is not used again.
func Expires(k store.IdentityToken, set store.IdentityService) time.Time {
	const day = 24 * time.Hour
	idle := k.Used.Add(time.Duration(set.IdleDays) * day)
	if most := k.Created.Add(time.Duration(set.MostDays) * day); most.Before(idle) {
		return most
	}
	return idle
}
