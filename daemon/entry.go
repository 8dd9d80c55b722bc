package daemon

import (
	"slices"
	"time"

	"github.com/google/uuid"

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
	history    uuid.UUID         // that the token is of
	factors    []identity.Factor // without certificates when it is of the index
	points     identity.Points   // of the realm, shared
	keys       int
	fetched    time.Time
	seq        uint32
	packed     *packed // whose groups groupsOf reads; nil before it is in the index
	era        uint32  // of the index that it is from
	// blocked says why a newer token was refused: this one is out of date, and
	// good for naming the account, not for letting it in.
	blocked string
}

func newEntry(t *identity.IDToken, fetched time.Time) *entry {
	return &entry{
		account: t.Account, state: t.State, validFrom: t.ValidFrom, validUntil: t.ValidUntil,
		offlineFor: t.OfflineFor, revision: t.Revision, history: t.History, factors: slices.Clone(t.Factors),
		keys: len(t.SSHKeys), fetched: fetched, points: t.Points,
	}
}

// isOf tells whether the token is of this account, and calls it so: one that gives it a
// name of its choice has to come by way of fetch, which asks whose name that is.
func (e *entry) isOf(t *identity.IDToken) bool {
	return t.Account.UUID == e.account.UUID && t.Account.Name == e.account.Name
}

func (e *entry) standingAt(now time.Time) identity.Standing {
	t := identity.IDToken{State: e.state, ValidFrom: e.validFrom, ValidUntil: e.validUntil}
	return t.StandingAt(now)
}

func (e *entry) epoch(kind identity.FactorKind) (uint64, bool) {
	t := identity.IDToken{Factors: e.factors}
	return t.FactorEpoch(kind)
}

// holds tells whether the account still has the credential that a proof was made
// with. A backup code of epoch 0 was the last: it counts until there are new ones.
func (e *entry) holds(f identity.Factor) bool {
	if f.Kind == identity.BackupCode && f.Epoch == 0 {
		_, held := e.epoch(identity.BackupCode)
		return !held
	}
	return slices.ContainsFunc(e.factors, func(o identity.Factor) bool { return o.Kind == f.Kind && o.Epoch == f.Epoch })
}

// Account is what programs are told.
func (e *entry) Account() identity.Account { return e.account }

// State is the account's by its token.
func (e *entry) State() identity.State { return e.state }

// ValidFrom is when the account begins, in Unix seconds.
func (e *entry) ValidFrom() int64 { return e.validFrom }

// ValidUntil is when the account ends, in Unix seconds.
func (e *entry) ValidUntil() int64 { return e.validUntil }

// OfflineFor is for how many seconds the token may be used without the server.
func (e *entry) OfflineFor() uint32 { return e.offlineFor }

// Revision is the token's, which compares within one history.
func (e *entry) Revision() uint64 { return e.revision }

// Factors are the account's, without certificates.
func (e *entry) Factors() []identity.Factor { return e.factors }

// Points are the realm's table.
func (e *entry) Points() identity.Points { return e.points }

// Keys is how many ssh keys the token has.
func (e *entry) Keys() int { return e.keys }

// Fetched is when the token came.
func (e *entry) Fetched() time.Time { return e.fetched }

// Blocked says why a newer token was refused: this one is out of date, and good for
// naming the account, not for letting it in. It is "" for one that counts.
func (e *entry) Blocked() string { return e.blocked }

// Unchanged tells whether the entry is the account as it was packed then.
func (e *entry) Unchanged(p *packed) bool { return e.seq == p.seq }

// Packed is the account as it was when the entry was made.
func (e *entry) Packed() *packed { return e.packed }
