package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/checks"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/daemon/hops"
	"github.com/sallyport-auth/sallyport/daemon/identitystream"
	"github.com/sallyport-auth/sallyport/daemon/lockout"
	"github.com/sallyport-auth/sallyport/daemon/offline"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/daemon/verification"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
)

// accounts is what deciding needs of whoever finds the accounts of a realm.
type accounts interface {
	checks.Accounts

	// SignedToken is the account's token as it was signed, verified again.
	SignedToken(ctx context.Context, e *directory.Entry) (*identity.IDToken, error)
	// Capable tells whether the provider lists accounts, and tells of changes.
	Capable() (lists, watches bool)
	// Apply takes over what the server said with a login, and Note how a call went.
	Apply(ctx context.Context, u resolver.Update) error
	Note(e resolver.Event, err error)
	// KeepVerifier stores a verifier unless its credential has ended meanwhile. InOrder
	// stores something else while nothing changes what is known.
	KeepVerifier(ctx context.Context, v cache.Verifier) error
	InOrder(do func())
	// EnsureSubIDs gives subordinate ids to an account that has none.
	EnsureSubIDs(ctx context.Context, id uuid.UUID) error
	// Life ends with the daemon: it is for work that no caller waits for.
	Life() context.Context
}

// gateOptions are for [newGate]. All but Cards and Seats must be set.
type gateOptions struct {
	Provider provider.Source
	Cache    *cache.Cache
	Sealer   seal.Sealer
	// Cards are the smartcards of this machine; nil: it has none.
	Cards cards.Service
	// Seats tells who sits at this machine; nil: nobody can be seen to, so a card is
	// asked for at a real console alone.
	Seats   cards.Seats
	Policy  *policy.Policy
	Machine uuid.UUID // this machine's uuid at the server
	Realm   string
	Log     *slog.Logger
	Now     func() time.Time // the wall clock

	// Accounts are those of the realm, and AllRealms those of each realm that this
	// machine asks, this one among them.
	Accounts  accounts
	AllRealms func() []accounts
	// Proofs are where it keeps what was proved.
	Proofs *proofs.Store
	// Book knows the sessions of all realms that began by certificates.
	Book *hops.Book
}

// Gate decides who may log in, by what the accounts of one realm are and prove. It is made
// by [newGate]; its methods are safe for concurrent use.
type Gate struct {
	accounts
	o      gateOptions
	p      *policy.Policy
	log    *slog.Logger
	proofs *proofs.Store
	checks *checks.Checker
	tries  *lockout.Tallies
	// verifiers and codes are what is checked here.
	verifiers *offline.Verifiers
	codes     *offline.Codes
	reader    *cards.Reader
	hops      *hops.Judge
	streams   *identitystream.Streams
	verify    *verification.Desk

	askedAgain pendingChecks
	enrolling  enrolments
	asking     chan struct{}           // steps at the server
	making     chan struct{}           // logins whose verifier is not made yet
	able       atomic.Pointer[counted] // who could log in offline
}

// newGate makes one.
func newGate(o gateOptions) *Gate {
	g := &Gate{
		accounts: o.Accounts, o: o, p: o.Policy, log: o.Log, proofs: o.Proofs, checks: checks.New(o.Accounts, o.Policy, o.Realm, o.Provider.Limited),
		tries:     lockout.New(o.Cache, o.Accounts.Clock(), o.Policy, o.Log),
		verifiers: offline.NewVerifiers(o.Cache, o.Sealer, o.Accounts.Clock().Now, o.Policy.Argon, o.Log, o.Accounts.KeepVerifier),
		codes: offline.NewCodes(offline.Options{
			Accounts: o.Accounts, Registrar: o.Provider.KeyRegistrar, Cache: o.Cache, Sealer: o.Sealer, Realm: o.Realm, Machine: o.Machine,
			Timeout: o.Policy.ServerTimeout, Log: o.Log,
		}),
		reader: cards.New(o.Cards, o.Seats, o.Now, o.Log), hops: newJudge(o), streams: identitystream.New(),
		verify: verification.New(verification.Options{
			Cache: o.Cache, Sealer: o.Sealer, Realm: o.Realm, Machine: o.Machine, Now: o.Now, Name: nameOf(o.Accounts), Log: o.Log,
		}),
		asking: make(chan struct{}, asking), making: make(chan struct{}, makePending),
	}
	context.AfterFunc(o.Accounts.Life(), g.verify.End)
	return g
}
