package directory

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/identity"
)

// Entry is what a decision needs of one token: a copy that does not change when
// the account does. Keys stay in the cache.
type Entry struct {
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
	packed     *Packed // whose groups GroupsOf reads; nil before it is in the index
	era        uint32  // of the index that it is from
	// blocked says why a newer token was refused: this one is out of date, and
	// good for naming the account, not for letting it in.
	blocked string
}

// NewEntry is the entry of a token that is in no directory yet.
func NewEntry(t *identity.IDToken, fetched time.Time) *Entry {
	return &Entry{
		account: t.Account, state: t.State, validFrom: t.ValidFrom, validUntil: t.ValidUntil,
		offlineFor: t.OfflineFor, revision: t.Revision, history: t.History, factors: slices.Clone(t.Factors),
		keys: len(t.SSHKeys), fetched: fetched, points: t.Points,
	}
}

// IsOf tells whether the token is of this account, and calls it so: one that gives it a
// name of its choice has to come by way of fetch, which asks whose name that is.
func (e *Entry) IsOf(t *identity.IDToken) bool {
	return t.Account.UUID == e.account.UUID && t.Account.Name == e.account.Name
}

// StandingAt is whether the account is active and within its dates at that time.
func (e *Entry) StandingAt(now time.Time) identity.Standing {
	t := identity.IDToken{State: e.state, ValidFrom: e.validFrom, ValidUntil: e.validUntil}
	return t.StandingAt(now)
}

// Epoch is the present one of the account's credential of that kind, if it has one.
func (e *Entry) Epoch(kind identity.FactorKind) (uint64, bool) {
	t := identity.IDToken{Factors: e.factors}
	return t.FactorEpoch(kind)
}

// Holds tells whether the account still has the credential that a proof was made
// with. A backup code of epoch 0 was the last: it counts until there are new ones.
func (e *Entry) Holds(f identity.Factor) bool {
	if f.Kind == identity.BackupCode && f.Epoch == 0 {
		_, held := e.Epoch(identity.BackupCode)
		return !held
	}
	return slices.ContainsFunc(e.factors, func(o identity.Factor) bool { return o.Kind == f.Kind && o.Epoch == f.Epoch })
}

// Account is what programs are told.
func (e *Entry) Account() identity.Account { return e.account }

// State is the account's by its token.
func (e *Entry) State() identity.State { return e.state }

// ValidFrom is when the account begins, in Unix seconds.
func (e *Entry) ValidFrom() int64 { return e.validFrom }

// ValidUntil is when the account ends, in Unix seconds.
func (e *Entry) ValidUntil() int64 { return e.validUntil }

// OfflineFor is for how many seconds the token may be used without the server.
func (e *Entry) OfflineFor() uint32 { return e.offlineFor }

// Revision is the token's, which compares within one history.
func (e *Entry) Revision() uint64 { return e.revision }

// Factors are the account's, without certificates.
func (e *Entry) Factors() []identity.Factor { return e.factors }

// Points are the realm's table.
func (e *Entry) Points() identity.Points { return e.points }

// Keys is how many ssh keys the token has.
func (e *Entry) Keys() int { return e.keys }

// Fetched is when the token came.
func (e *Entry) Fetched() time.Time { return e.fetched }

// Blocked says why a newer token was refused: this one is out of date, and good for
// naming the account, not for letting it in. It is "" for one that counts.
func (e *Entry) Blocked() string { return e.blocked }

// Unchanged tells whether the entry is the account as it was packed then.
func (e *Entry) Unchanged(p *Packed) bool { return e.seq == p.seq }

// Packed is the account as it was when the entry was made.
func (e *Entry) Packed() *Packed { return e.packed }
