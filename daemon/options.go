package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/resolver"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/seal"
	"golang.org/x/sys/unix"
)

// Policy is what this machine's administrator decided. It is plain data. The
// zero value lets nobody in, and takes no id; durations and numbers that are
// zero or less get the value named beside them, but for OfflineMax.
type Policy struct {
	// AllowAll lets every account of the realm log in here.
	AllowAll bool
	// AllowGroups lets their members in. They are matched by uuid, never by name.
	AllowGroups []uuid.UUID
	// QualifiedUsers and QualifiedGroups say that the realm's names are name@realm, and
	// Aliases that other spellings find them; see [identity.Naming].
	QualifiedUsers, QualifiedGroups bool
	Aliases                         bool
	// IDs are the ranges that uids and gids must lie in.
	IDs []identity.IDRange
	// Reserved are names that nothing of a realm may have, besides those of
	// identity.ReservedName.
	Reserved []string
	// LocalGroups are names of /etc/group; the members of the realm's group with
	// that uuid are given them. The group 0 is nobody's.
	LocalGroups map[string]uuid.UUID
	// Services are policies of PAM services; others demand what every login does.
	Services map[string]Service
	// SubIDs is where subordinate ids are given out; zero: identity.SubIDRange.
	SubIDs identity.IDRange

	LookupTimeout time.Duration // for an account that is not known here: 5 s
	ServerTimeout time.Duration // for one step of an authentication, then offline: 4 s
	OfflineMax    time.Duration // caps what a token allows; zero allows nothing offline
	OfflineTries  int           // wrong answers before a lock: 5
	LockMin       time.Duration // the first lock; doubled by each further failure: 30 s
	LockMax       time.Duration // 1 h
	RefreshEvery  time.Duration // of accounts, where the provider tells no changes: 10 min
	MaxGroups     int           // that are remembered because they were asked for: 4096
	// RemoteReasons tells people at other hosts why they are refused, see remote.go.
	RemoteReasons bool
	FailDelay     time.Duration // that a host program waits after a denial: 2 s
	KeepNames     time.Duration // that names are answered after the last contact: for ever
	WatchSilence  time.Duration // after which a silent change stream counts as lost: 90 s
	BackoffMin    time.Duration // between attempts to reach the server: 500 ms
	BackoffMax    time.Duration // 30 s
	Argon         Argon
}

// Argon is the cost of an offline verifier (RFC 9106). Zero fields get 64 MiB, 3
// passes, 1 thread.
type Argon struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

func (p Policy) withDefaults() Policy {
	for at, def := range map[*time.Duration]time.Duration{
		&p.LookupTimeout: 5 * time.Second,
		&p.ServerTimeout: 4 * time.Second,
		&p.LockMin:       30 * time.Second,
		&p.LockMax:       time.Hour,
		&p.RefreshEvery:  10 * time.Minute,
		&p.FailDelay:     2 * time.Second,
		&p.WatchSilence:  90 * time.Second,
		&p.BackoffMin:    500 * time.Millisecond,
		&p.BackoffMax:    30 * time.Second,
	} {
		if *at <= 0 {
			*at = def
		}
	}
	if p.OfflineTries <= 0 {
		p.OfflineTries = 5
	}
	if p.MaxGroups <= 0 {
		p.MaxGroups = 4096
	}
	if p.Argon.Memory == 0 {
		p.Argon.Memory = 64 << 10
	}
	if p.Argon.Time == 0 {
		p.Argon.Time = 3
	}
	if p.Argon.Threads == 0 {
		p.Argon.Threads = 1
	}
	p.AllowGroups = slices.Clone(p.AllowGroups)
	p.IDs = slices.Clone(p.IDs)
	p.Reserved = slices.Clone(p.Reserved)
	p.LocalGroups = maps.Clone(p.LocalGroups)
	p.Services = maps.Clone(p.Services)
	if p.SubIDs == (identity.IDRange{}) {
		p.SubIDs = identity.SubIDRange
	}
	return p
}

// Hashes is how many passwords are hashed at a time: each takes its share of
// memory, and all that a processor has.
const Hashes = 2

// Options for [New]. Provider, Cache, Sealer, Machine and Realm must be set.
type Options struct {
	Provider provider.Provider
	Cache    *cache.Cache
	Sealer   seal.Sealer
	// Cards are the smartcards of this machine; nil: it has none.
	Cards Cards
	// Seats tells who sits at this machine; nil: nobody can be seen to, so a card is
	// asked for at a real console alone.
	Seats Seats
	// SealDetail says where and why, and SealMend what would be stronger, for status.
	SealDetail, SealMend string

	Policy  Policy
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
}

// Daemon decides. Make it with [New], run its background work with [Daemon.Run].
// All methods are safe for concurrent use, before and while Run runs.
type Daemon struct {
	*resolver.Resolver
	*Gate
	o         Options
	p         Policy
	verdict   atomic.Pointer[heard]   // what the server last said of itself
	able      atomic.Pointer[counted] // who could log in offline
	published atomic.Pointer[published]
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
	d := &Daemon{o: o, p: o.Policy.withDefaults()}
	d.Gate = newGate(&d.o, &d.p, func() []accounts { return o.Realms.accounts() })
	var err error
	if d.Resolver, err = resolver.New(d.resolverOptions()); err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	d.accounts = d.Resolver
	o.Realms.add(d)
	return d, nil
}

func (d *Daemon) resolverOptions() resolver.Options {
	return resolver.Options{
		Provider: d.o.Provider, Cache: d.o.Cache, Realm: d.o.Realm, Log: d.o.Log, Now: d.o.Now, Boottime: d.o.Boottime,
		LocalFiles: d.o.LocalFiles, Peers: d.o.Realms.peers, Proofs: &d.proofs, BeforeWatch: d.registerKey,
		Policy: resolver.Policy{
			QualifiedUsers: d.p.QualifiedUsers, QualifiedGroups: d.p.QualifiedGroups, Aliases: d.p.Aliases, IDs: d.p.IDs,
			Reserved: d.p.Reserved, LocalGroups: d.p.LocalGroups, MaxGroups: d.p.MaxGroups, Keep: d.namedByPolicy, SubIDs: d.p.SubIDs,
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

// namedByPolicy tells whether somebody's rights here hang on the group.
func (d *Daemon) namedByPolicy(id uuid.UUID) bool {
	if slices.Contains(d.p.AllowGroups, id) {
		return true
	}
	for _, of := range d.p.LocalGroups {
		if of == id {
			return true
		}
	}
	for _, s := range d.p.Services {
		if slices.Contains(s.Require, id) {
			return true
		}
	}
	return false
}
