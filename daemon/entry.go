package daemon

import (
	"slices"
	"time"

	"github.com/sallyport-auth/sallyport/identity"
)

// entry is what a decision needs of one token: a copy that does not change when
// the account does. Keys stay in the cache.
type entry struct {
	account    identity.Account
	state      identity.State
	validFrom  int64
	validUntil int64
	offlineFor uint32
	revision   uint64
	factors    []identity.Factor
	keys       int
	fetched    time.Time
	seq        uint32
	packed     *packed // whose groups groupsOf reads; nil before it is in the index
	// blocked says why a newer token was refused: this one is out of date, and
	// good for naming the account, not for letting it in.
	blocked string
}

func newEntry(t *identity.IDToken, fetched time.Time) *entry {
	return &entry{
		account: t.Account, state: t.State, validFrom: t.ValidFrom, validUntil: t.ValidUntil,
		offlineFor: t.OfflineFor, revision: t.Revision, factors: slices.Clone(t.Factors),
		keys: len(t.SSHKeys), fetched: fetched,
	}
}

func (e *entry) standingAt(now time.Time) identity.Standing {
	t := identity.IDToken{State: e.state, ValidFrom: e.validFrom, ValidUntil: e.validUntil}
	return t.StandingAt(now)
}

func (e *entry) epoch(kind identity.FactorKind) (uint64, bool) {
	t := identity.IDToken{Factors: e.factors}
	return t.FactorEpoch(kind)
}
