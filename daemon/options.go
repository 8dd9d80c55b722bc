package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/cards"
	"github.com/sallyport-auth/sallyport/daemon/offline"
	"github.com/sallyport-auth/sallyport/daemon/policy"
	"github.com/sallyport-auth/sallyport/daemon/proofs"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/daemon/status"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
	"github.com/sallyport-auth/sallyport/seal"
)

// Hashes is how many passwords are hashed at a time.
const Hashes = offline.Hashes

// Options for [New]. Provider, Cache, Sealer, Machine and Realm must be set.
type Options struct {
	Provider provider.Provider
	Cache    *cache.Cache
	Sealer   seal.Sealer
	// Cards are the smartcards of this machine; nil: it has none.
	Cards cards.Service
	// Seats tells who sits at this machine; nil: nobody can be seen to, so a card is
	// asked for at a real console alone.
	Seats cards.Seats
	// SealDetail says where and why, and SealMend what would be stronger, for status.
	SealDetail, SealMend string

	Policy  policy.Policy
	Machine uuid.UUID // this machine's uuid at the server
	Realm   string
	Version string
	Log     *slog.Logger // nil: the default logger
	// Now and Boottime are the wall clock and CLOCK_BOOTTIME; nil: the real ones.
	Now      func() time.Time
	Boottime func() time.Duration
	// Realms are those that this machine asks besides, before this one; nil: none.
	Realms *Realms
	// LocalFiles is the root under which etc/passwd and etc/group name the local
	// accounts and groups; "": "/".
	LocalFiles string
	// SubIDList is the file that tells the machine of the ranges of subordinate ids
	// that were given out (package subid); "": there is none. The first realm's counts.
	SubIDList string
	// SessionFile keeps which ssh sessions go by which grant, and EndedList is the list of
	// those whose grant was ended (package sessions); "": there is none. The first realm's count.
	SessionFile, EndedList string
}

// Daemon decides. Make it with [New], run its background work with [Daemon.Run].
// All methods are safe for concurrent use, before and while Run runs.
type Daemon struct {
	*resolver.Resolver
	*Gate
	o      Options
	p      policy.Policy
	health *status.Realm
}

// New loads what the cache remembers, verifying each token. A cache that cannot
// be read is an error; a token that does not verify is left out and reported.
func New(o Options) (*Daemon, error) {
	if o.Provider == nil || o.Cache == nil || o.Sealer == nil || o.Machine == uuid.Nil || o.Realm == "" {
		return nil, errors.New("resolver: provider, cache, sealer, machine and realm must be set")
	}
	for _, r := range o.Policy.IDs {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("resolver: allowed ids: %w", err)
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Boottime == nil {
		o.Boottime = boottime
	}
	if o.LocalFiles == "" {
		o.LocalFiles = "/"
	}
	if o.Realms == nil {
		o.Realms = NewRealms()
	}
	d := &Daemon{o: o, p: o.Policy.WithDefaults()}
	source, kept := provider.SourceOf(o.Provider), &proofs.Store{}
	var err error
	if d.Resolver, err = resolver.New(d.resolverOptions(source, kept)); err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	d.Gate = newGate(gateOptions{
		Provider: source, Cache: o.Cache, Sealer: o.Sealer, Cards: o.Cards, Seats: o.Seats, Policy: &d.p, Machine: o.Machine,
		Realm: o.Realm, Log: o.Log, Now: o.Now, Accounts: d.Resolver, AllRealms: o.Realms.accounts, Proofs: kept, Book: o.Realms.book,
	})
	d.health = status.New(d.Resolver, status.Options{
		Provider: source, Cache: o.Cache, Sealer: o.Sealer, Policy: &d.p, Codes: d.codes, Reader: d.reader,
		SealDetail: o.SealDetail, SealMend: o.SealMend, Machine: o.Machine, Realm: o.Realm, Version: o.Version, Now: o.Now,
		Able: d.AbleOffline, Others: func() []report.Finding {
			return append(o.Realms.handOver.Findings(o.Now()), o.Realms.book.Findings()...)
		},
	})
	o.Realms.add(d)
	return d, nil
}

func (d *Daemon) resolverOptions(source provider.Source, kept *proofs.Store) resolver.Options {
	return resolver.Options{
		Provider: source, Cache: d.o.Cache, Realm: d.o.Realm, Log: d.o.Log, Now: d.o.Now, Boottime: d.o.Boottime,
		LocalFiles: d.o.LocalFiles, Peers: d.o.Realms.peers, Proofs: kept, BeforeWatch: func(ctx context.Context) { d.codes.Register(ctx) },
		OnContact: func(began bool) { d.onContact(began) },
		Policy: resolver.Policy{
			QualifiedUsers: d.p.QualifiedUsers, QualifiedGroups: d.p.QualifiedGroups, Aliases: d.p.Aliases, IDs: d.p.IDs,
			Reserved: d.p.Reserved, LocalGroups: d.p.LocalGroups, MaxGroups: d.p.MaxGroups, Keep: d.p.NamesGroup, SubIDs: d.p.SubIDs,
			LookupTimeout: d.p.LookupTimeout, RefreshEvery: d.p.RefreshEvery, KeepNames: d.p.KeepNames,
			WatchSilence: d.p.WatchSilence, BackoffMin: d.p.BackoffMin, BackoffMax: d.p.BackoffMax,
		},
	}
}

func boottime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // no elapsed time is known; the wall clock still counts
	}
	return time.Duration(ts.Nano())
}

// SetPublished tells of the file that programs read; see [status.Realm.SetPublished].
func (d *Daemon) SetPublished(of identity.Revisions, r report.Directory) {
	d.health.SetPublished(of, r)
}
