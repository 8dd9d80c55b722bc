package realm

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/identity/pake"
	"github.com/sallyport-auth/sallyport/server/store"
)

// Limits of the days of tokens, and their values where nobody has set them.
const (
	maxIdleDays, usualIdleDays = 365, 30
	maxDays, usualDays         = 3650, 365
)

// keysOf is no account's: what the OPAQUE keys are sealed for.
var keysOf = uuid.MustParse("6f706171-7565-4000-8000-000000000001") //nolint:gochecknoglobals // a constant

// IdentityChange is what an administrator sets of the identity service; nil stays.
type IdentityChange struct {
	Enabled            *bool
	IdleDays, MostDays *uint32
}

// IdentitySettings are those of the identity service. It is off where nobody has switched it on.
func IdentitySettings(tx *store.Tx) (store.IdentityService, error) {
	set, err := tx.IdentityService()
	if errors.Is(err, identity.ErrNotFound) {
		return store.IdentityService{IdleDays: usualIdleDays, MostDays: usualDays}, nil
	}
	return set, err
}

// SetIdentityService changes them. The keys of OPAQUE are made at the first change, and stay: what people have
// registered is good under these alone.
func (r *Realm) SetIdentityService(tx *store.Tx, c IdentityChange) (set store.IdentityService, err error) {
	if set, err = IdentitySettings(tx); err != nil {
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
			return set, fmt.Errorf("%w: a token is good for 1 to %d days %s", ErrInput, days.most, days.what)
		}
		*days.to = *days.from
	}
	if set.Sealed == nil {
		keys, err := pake.NewKeys(r.Name)
		if err != nil {
			return set, err //nolint:wrapcheck // it says what it is about
		}
		set.Sealed = r.Box.Seal(keysOf, keys)
	}
	return set, tx.SetIdentityService(set)
}

// IdentityKeys are the keys of OPAQUE.
func (r *Realm) IdentityKeys(set store.IdentityService) (identity.Secret, error) {
	return r.Box.Open(keysOf, set.Sealed)
}

// IdentityExpires is when a token of the identity service ends that is not used again.
func IdentityExpires(k store.IdentityToken, set store.IdentityService) time.Time {
	const day = 24 * time.Hour
	idle := k.Used.Add(time.Duration(set.IdleDays) * day)
	if most := k.Created.Add(time.Duration(set.MostDays) * day); most.Before(idle) {
		return most
	}
	return idle
}
