package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/sallyport-auth/sallyport/cache"
	"github.com/sallyport-auth/sallyport/daemon/directory"
	"github.com/sallyport-auth/sallyport/identity"
	"github.com/sallyport-auth/sallyport/provider"
	"github.com/sallyport-auth/sallyport/report"
)

// Policy is what the administrator decided of a realm's names and numbers. All of
// it must be set.
type Policy struct {
	// QualifiedUsers and QualifiedGroups say that the realm's names are name@realm, and
	// Aliases that other spellings find them; see [identity.Naming].
	QualifiedUsers, QualifiedGroups bool
	Aliases                         bool
	// IDs are the ranges that uids and gids must lie in.
	IDs []identity.IDRange
	// Reserved are names that nothing of a realm may have.
	Reserved []string
	// LocalGroups are names of /etc/group; the members of the realm's group with that
	// uuid are given them.
	LocalGroups map[string]uuid.UUID
	// MaxGroups are remembered because they were asked for; those that Keep names stay.
	MaxGroups int
	Keep      func(group uuid.UUID) bool
	// SubIDs is where subordinate ids are given out.
	SubIDs identity.IDRange

	LookupTimeout time.Duration // for what is not known here
	RefreshEvery  time.Duration // of accounts, where the provider tells no changes
	KeepNames     time.Duration // that names are answered after the last contact; zero: for ever
	WatchSilence  time.Duration // after which a silent change stream counts as lost
	BackoffMin    time.Duration // between attempts to reach the server
	BackoffMax    time.Duration
}

// Proofs are what accounts have proved on this machine. They count while the
// accounts are in good standing.
type Proofs interface {
	// Forget ends what an account proved: it is gone, disabled or refused.
	Forget(account uuid.UUID)
	// ForgetAll ends what anybody proved.
	ForgetAll()
}

// Options must all be set.
type Options struct {
	Provider provider.Source
	Cache    *cache.Cache
	Policy   Policy
	Realm    string
	Log      *slog.Logger
	// Now and Boottime are the wall clock and CLOCK_BOOTTIME.
	Now      func() time.Time
	Boottime func() time.Duration
	// LocalFiles is the root of etc/passwd and the like.
	LocalFiles string
	Peers      *Peers
	Proofs     Proofs
	// BeforeWatch is called between the list and the change stream, by one goroutine.
	BeforeWatch func(context.Context)
	// OnContact is called each time the change stream says that the server is there, by one
	// goroutine, and returns at once. began: the stream has just caught up.
	OnContact func(began bool)
}

// Resolver finds the accounts and groups of one realm. Make it with [New], run its
// background work with [Resolver.Run]. All methods are safe for concurrent use, before and
// while Run runs.
type Resolver struct {
	o       Options
	p       Policy
	log     *slog.Logger
	started time.Time
	clock   *Clock
	local   *directory.Files
	index   *directory.Directory
	higher  *higher // realms that come first
	link    *Link

	flights singleflight.Group
	base    context.Context //nolint:containedctx // the life of the daemon: what many callers wait for is nobody's own
	stop    context.CancelFunc

	// writing orders what changes the cache with what changes the directory. It is
	// held across SQLite, never across the network, and no lookup takes it.
	writing  sync.Mutex
	holdBack atomic.Bool // a change was not stored: the kept position stays
	kept     atomic.Pointer[cache.Contact]
	listDue  atomic.Bool // the next round begins with the list
	heard    heard
	// contactAt is when the change stream last showed that we know everything,
	// in Unix nanoseconds of the trusted clock.
	contactAt  atomic.Int64
	relist     atomic.Pointer[context.CancelCauseFunc] // ends the change stream
	unmoved    unmoved
	refreshNow chan struct{} // a look is due now
	twin       atomic.Bool   // the server sees two machines under this one's name
	forced     atomic.Int64  // what was fetched before, in Unix nanoseconds, is old
	refused    refusals
	// refusedGroups are apart: an account's own group may have its uuid.
	refusedGroups refusals
	absent        absent
	leftOut       refusals // of accounts that were taken: parts that were not
	subs          subIDs
}

// New loads what the cache remembers, verifying each token. A cache that cannot
// be read is an error; a token that does not verify is left out and reported.
func New(o Options) (*Resolver, error) {
	d := &Resolver{o: o, p: o.Policy, log: o.Log, higher: &higher{}, refreshNow: make(chan struct{}, 1)}
	d.heard.to = o.Provider.Follower
	d.local = directory.NewFiles(o.LocalFiles, d.higher)
	d.index = directory.New(directory.Rules{
		Realm: o.Realm, Users: d.naming(d.p.QualifiedUsers), Groups: d.naming(d.p.QualifiedGroups), Reserved: d.p.Reserved,
		Allowed: d.allowedID, LocalGroups: d.p.LocalGroups, MaxGroups: d.p.MaxGroups, Keep: d.p.Keep, Ahead: d.higher,
	})
	d.base, d.stop = context.WithCancel(context.Background())
	d.higher.all = o.Peers.add(d)
	d.clock = newClock(o.Cache, o.Now, o.Boottime)
	if err := d.clock.load(d.base); err != nil {
		return nil, err
	}
	d.started = d.clock.Now()
	d.link = newLink(o.Provider.Watcher != nil, d.started, o.Now)
	d.link.source = o.Provider.Name()
	if err := d.load(d.base); err != nil {
		return nil, err
	}
	d.LocalChanged()
	d.announce()
	d.restand()
	return d, nil
}

// Directory is what is known of the realm.
func (d *Resolver) Directory() *directory.Directory { return d.index }

// Files are this machine's own accounts and groups.
func (d *Resolver) Files() *directory.Files { return d.local }

// Clock tells the trusted time.
func (d *Resolver) Clock() *Clock { return d.clock }

// Link is how the machine stands with the server.
func (d *Resolver) Link() *Link { return d.link }

// Life ends with Run. It is for work that many callers wait for, which is nobody's own.
func (d *Resolver) Life() context.Context { return d.base }

// Started is when the resolver was made.
func (d *Resolver) Started() time.Time { return d.started }

// Contact is where the machine stands in the server's changes. It never changes; later
// ones are others.
func (d *Resolver) Contact() *cache.Contact { return d.kept.Load() }

// LastHeard is when the change stream last showed that everything is known; false: never.
func (d *Resolver) LastHeard() (time.Time, bool) {
	at := d.contactAt.Load()
	return time.Unix(0, at), at > 0
}

// Unstored tells whether something that the server said is not stored.
func (d *Resolver) Unstored() bool { return d.holdBack.Load() }

// MarkUnstored has the position in the server's changes kept back, so that what could not
// be stored is asked for again.
func (d *Resolver) MarkUnstored() { d.holdBack.Store(true) }

// TakeUnstored tells whether something was not stored, and that it is asked for now.
func (d *Resolver) TakeUnstored() bool { return d.holdBack.Swap(false) }

// Duplicated tells whether the server sees two machines under this one's name.
func (d *Resolver) Duplicated() bool { return d.twin.Load() }

// Refused are the accounts that the server sent and that were not taken.
func (d *Resolver) Refused() []report.Refusal { return d.refused.all() }

// RefusedWhy says why the account of that name was not taken; "" when none was refused.
func (d *Resolver) RefusedWhy(name identity.Name) string { return d.refused.named(name) }

// RefusedGroups are the groups that the server sent and that were not taken.
func (d *Resolver) RefusedGroups() []report.Refusal { return d.refusedGroups.all() }

// LeftOut are the accounts that were taken without some parts.
func (d *Resolver) LeftOut() []report.Refusal { return d.leftOut.all() }

// LeftOutOf says which parts of an account were left out, or made safe.
func (d *Resolver) LeftOutOf(name identity.Name) string { return d.leftOut.named(name) }

// SubIDsFull tells whether every range of subordinate ids is given out.
func (d *Resolver) SubIDsFull() bool { return d.subs.full.Load() }

// InOrder does something that stores what the directory says, while nothing else changes
// the two.
func (d *Resolver) InOrder(do func()) {
	d.writing.Lock()
	defer d.writing.Unlock()
	do()
}

// Capable tells what the provider can do besides fetching.
func (d *Resolver) Capable() (lists, watches bool) {
	return d.o.Provider.Lister != nil, d.o.Provider.Watcher != nil
}

// RemembersName tells whether an account is known by that name, as it is typed.
func (d *Resolver) RemembersName(typed string) bool {
	name, err := d.Canonical(typed)
	return err == nil && d.index.Named(name) != nil
}

// RemembersGroup is RemembersName for groups.
func (d *Resolver) RemembersGroup(typed string) bool {
	name, err := d.canonicalGroup(typed)
	return err == nil && d.index.HasGroup(name)
}

// RemembersUID is RemembersName by user id.
func (d *Resolver) RemembersUID(uid uint32) bool { return d.index.WithUID(uid) != nil }

// CheckedAt is when an entry was last known to be the server's. While a change stream shows
// that nothing changed, no account ages.
func (d *Resolver) CheckedAt(e *directory.Entry) time.Time {
	checked := e.Fetched()
	if at := time.Unix(0, d.contactAt.Load()); d.link.watches && at.After(checked) {
		checked = at
	}
	return checked
}

// SignedToken is the account's token as it was signed, verified again: for what the
// directory does not hold.
func (d *Resolver) SignedToken(ctx context.Context, e *directory.Entry) (*identity.IDToken, error) {
	c, err := d.o.Cache.Token(ctx, e.Account().UUID)
	if err != nil {
		return nil, fmt.Errorf("stored token: %w", err)
	}
	t, err := d.o.Provider.Verify(c.Signed)
	if err != nil {
		return nil, fmt.Errorf("stored token: %w", err)
	}
	// On a full disk the stored token may be older than what we know: what was taken
	// away must not come back.
	if t.Account.UUID != e.Account().UUID || t.Revision != e.Revision() {
		return nil, errors.New("the stored token is out of date")
	}
	return t, nil
}

// revoke forgets the proofs of an account that may do nothing any more, or whose
// newest token is refused. Whoever may again later proves it again.
func (d *Resolver) revoke(t *identity.IDToken) {
	if t == nil {
		return
	}
	if e := d.index.WithUUID(t.Account.UUID); e == nil || e.State() != identity.Active || e.Blocked() != "" {
		d.o.Proofs.Forget(t.Account.UUID)
	}
}

// Peers are the resolvers of all realms that one machine asks, in their stated order. They
// give out subordinate ids one after the other.
type Peers struct {
	// Given is called when a range of subordinate ids was given out.
	Given func()

	giving sync.Mutex

	mu  sync.RWMutex
	all []*Resolver
}

// add puts a Resolver behind those that are there, and returns them.
func (p *Peers) add(r *Resolver) (ahead []*Resolver) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ahead = slices.Clone(p.all)
	p.all = append(p.all, r)
	return ahead
}

func (p *Peers) list() []*Resolver {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.all
}

// HoldsSubID tells whether the id lies in a range that any of them has given out.
func (p *Peers) HoldsSubID(id uint32) bool {
	return slices.ContainsFunc(p.list(), func(d *Resolver) bool { return d.subs.hold(id) })
}
